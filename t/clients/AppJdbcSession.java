/*
 * AppJdbcSession.java - AppJdbc's steps that a session has to keep: settings,
 * channels, temporary tables, locks, what SQL prepares; and what ends a query.
 */
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

final class AppJdbcSession extends JdbcFrame {
	/** The driver sees what has come whenever it is asked. */
	static void listen(Connection c, int n) throws Exception {
		PGConnection p = c.unwrap(PGConnection.class);
		List<String> want = new ArrayList<>(), got = new ArrayList<>();
		long limit = System.nanoTime() + 15_000_000_000L;

		run(c, "LISTEN room" + n);
		try (Connection other = connect()) {
			for (int i = 0; i < 5; i++) {
				want.add(token("note"));
				ask(other, "SELECT pg_notify(?, ?) IS NULL", "room" + n,
				    want.get(i));
			}
		}
		while (got.size() < want.size()) {
			PGNotification[] notes = p.getNotifications(100);

			for (int i = 0; notes != null && i < notes.length; i++)
				got.add(notes[i].getParameter());
			check(System.nanoTime() < limit, "notes: " + got.size());
		}
		equal(got, want);
		run(c, "UNLISTEN *");
	}

	static void set(Connection c, int n) throws SQLException {
		String mine = token("set");

		c.setClientInfo("ApplicationName", mine);
		c.setSchema("s" + n % 4);
		run(c, "SET work_mem = '" + (1100 + n) + "kB'");
		for (int i = 0; i < AppJdbc.ROUNDS; i++) {
			equal(ask(c, "SHOW application_name"), mine);
			equal(ask(c, "SELECT name FROM s" + n % 4 + ".place"),
			    "s" + n % 4);
			equal(ask(c, "SELECT current_schema()::text"), "s" + n % 4);
			equal(ask(c, "SHOW work_mem"), (1100 + n) + "kB");
		}
		c.setSchema("public");
		run(c, "RESET work_mem");
		c.setClientInfo("ApplicationName", "");
		equal(ask(c, "SHOW work_mem"), "4MB");
	}

	static void startup(Connection unused, int n) throws SQLException {
		try (Connection c = connect("ApplicationName", "start " + n,
			 "currentSchema", "s" + n % 4, "options",
			 "-c work_mem=" + (1100 + n) + "kB")) {
			for (int i = 0; i < AppJdbc.ROUNDS; i++) {
				equal(ask(c, "SHOW application_name"), "start " + n);
				equal(ask(c, "SHOW work_mem"), (1100 + n) + "kB");
				equal(ask(c, "SHOW search_path"), "s" + n % 4);
			}
		}
	}

	static void temporary(Connection c, int n) throws SQLException {
		String mine = token("temp");

		c.setAutoCommit(false);
		run(c, "CREATE TEMP TABLE basket (v text) ON COMMIT DROP");
		run(c, "INSERT INTO basket VALUES (?)", mine);
		equal(ask(c, "SELECT v FROM basket"), mine);
		c.commit();
		c.setAutoCommit(true);
		run(c, "CREATE TEMP TABLE bag (v text)");
		run(c, "INSERT INTO bag VALUES (?)", mine);
		equal(ask(c, "SELECT v FROM bag"), mine);
		run(c, "DROP TABLE bag");
	}

	static void advisory(Connection c, int n) throws SQLException {
		run(c, "SELECT pg_advisory_lock(?)", 4400 + n);
		for (int i = 0; i < AppJdbc.ROUNDS; i++)
			equal(ask(c, "SELECT count(*) FROM pg_locks WHERE locktype = "
				+ "'advisory' AND objid = ?::int AND pid = "
				+ "pg_backend_pid()", 4400 + n), 1L);
		equal(ask(c, "SELECT pg_advisory_unlock(?)", 4400 + n), true);
	}

	static void sql_prepare(Connection c, int n) throws SQLException {
		run(c, "PREPARE plan (text) AS SELECT $1 || ' " + n + "'");
		for (int i = 0; i < AppJdbc.ROUNDS; i++) {
			String mine = token("plan");

			equal(ask(c, "EXECUTE plan('" + mine + "')"), mine + " " + n);
		}
		run(c, "DEALLOCATE plan");
		fails(c, "26000", "EXECUTE plan('x')");
	}

	/** autosave: a savepoint of the driver's before each query. */
	static void autosave(Connection unused, int n) throws SQLException {
		try (Connection c = connect("autosave", "always")) {
			c.setAutoCommit(false);
			for (int i = 0; i < 8; i++) {
				String mine = token("autosave");

				fails(c, "22012", "SELECT 10 / ?::int", 0);
				equal(ask(c, "SELECT ?::text", mine), mine);
				c.commit();
			}
		}
	}

	/** A table's columns change: the driver sees it, and asks again. */
	static void conservative(Connection unused, int n) throws SQLException {
		try (Connection c = connect("autosave", "conservative",
			 "preferQueryMode", "extendedCacheEverything",
			 "prepareThreshold", "1")) {
			run(c, "CREATE TABLE shape" + n + " (a int)");
			run(c, "INSERT INTO shape" + n + " VALUES (1)");
			for (int i = 0; i < 4; i++)
				equal(ask(c, "SELECT * FROM shape" + n), 1);
			run(c, "ALTER TABLE shape" + n + " ALTER a TYPE text");
			c.setAutoCommit(false);
			for (int i = 0; i < 4; i++)
				equal(ask(c, "SELECT * FROM shape" + n), "1");
			c.commit();
			c.setAutoCommit(true);
			run(c, "DROP TABLE shape" + n);
		}
	}

	static void cancel(Connection c, int n) throws Exception {
		if (n >= 4)
			return;
		try (Statement s = c.createStatement()) {
			s.setQueryTimeout(1);
			s.execute("SELECT pg_sleep(30)");
			throw new AssertionError("no time-out");
		} catch (SQLException e) {
			equal(e.getSQLState(), "57014");
		}
		equal(ask(c, "SELECT 4"), 4);
	}
}
