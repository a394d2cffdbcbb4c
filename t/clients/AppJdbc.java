/*
 * AppJdbc.java - pgjdbc behind HikariCP, both with the settings that they have
 * by themselves: as many threads as there are members over three pools of ten.
 */
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public final class AppJdbc {
	static final int CROWD = number("APP_CROWD", 24);
	static final int ROUNDS = number("APP_ROUNDS", 8);
	static final int STEP_MS = number("APP_STEP_MS", 40000);
	static final String URL = "jdbc:postgresql://" + System.getenv("PGHOST")
	    + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
	static final AtomicLong serial = new AtomicLong();

	interface Step {
		void run(Connection c, int n) throws Exception;
	}

	static int number(String name, int otherwise) {
		String value = System.getenv(name);

		return value == null ? otherwise : Integer.parseInt(value);
	}

	/** A string that nobody else sends. */
	static String token(String what) {
		return what + "-" + ProcessHandle.current().pid() + "-"
		    + serial.incrementAndGet();
	}

	static void check(boolean condition, String why) {
		if (!condition)
			throw new AssertionError(why);
	}

	static void equal(Object got, Object want) {
		check(want.equals(got), got + " is not " + want);
	}

	/** A connection past the pools; name, value, name, value... */
	static Connection connect(String... more) throws SQLException {
		Properties p = new Properties();

		p.setProperty("user", System.getenv("PGUSER"));
		p.setProperty("password", "none");
		p.setProperty("sslmode", "disable");
		for (int i = 0; i < more.length; i += 2)
			p.setProperty(more[i], more[i + 1]);
		return DriverManager.getConnection(URL, p);
	}

	static Object ask(Connection c, String sql, Object... values)
	    throws SQLException {
		try (PreparedStatement s = c.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++)
				s.setObject(i + 1, values[i]);
			try (ResultSet r = s.executeQuery()) {
				check(r.next(), "no row: " + sql);
				return r.getObject(1);
			}
		}
	}

	static void run(Connection c, String sql, Object... values)
	    throws SQLException {
		try (PreparedStatement s = c.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++)
				s.setObject(i + 1, values[i]);
			s.execute();
		}
	}

	static void fails(Connection c, String state, String sql, Object... values) {
		try {
			run(c, sql, values);
		} catch (SQLException e) {
			equal(e.getSQLState(), state);
			return;
		}
		throw new AssertionError("no error: " + sql);
	}

	static void simple(Connection c, int n) throws SQLException {
		for (int i = 0; i < ROUNDS; i++)
			try (Statement s = c.createStatement()) {
				String mine = token("simple");
				ResultSet r = s.executeQuery("SELECT '" + mine + "'");

				check(r.next(), "no row");
				equal(r.getString(1), mine);
			}
	}

	/** From the fifth use on it has a name, and its values go binary. */
	static void prepared(Connection c, int n) throws SQLException {
		try (PreparedStatement s = c.prepareStatement(
			 "SELECT ?::text || ' of " + n + "', ?::int + 1, ?::float8")) {
			for (int i = 0; i < 20; i++) {
				String mine = token("it's \u20ac");

				s.setString(1, mine);
				s.setInt(2, i);
				s.setDouble(3, i / 4.0);
				try (ResultSet r = s.executeQuery()) {
					check(r.next(), "no row");
					equal(r.getString(1), mine + " of " + n);
					equal(r.getInt(2), i + 1);
					equal(r.getDouble(3), i / 4.0);
				}
			}
		}
	}

	/** S_1, S_2...: in every connection another text, each of them named. */
	static void many_texts(Connection c, int n) throws SQLException {
		for (int round = 0; round < 7; round++)
			for (int i = 0; i < 20; i++) {
				String mine = token("many");

				equal(ask(c, "SELECT ?::text || ' " + n + "." + i + "'",
					  mine), mine + " " + n + "." + i);
			}
	}

	/** Beyond the driver's cache of 256, too: it closes the oldest. */
	static void evicted(Connection unused, int n) throws SQLException {
		try (Connection c = connect("preparedStatementCacheQueries", "8",
			 "prepareThreshold", "1")) {
			for (int i = 0; i < 120; i++) {
				String mine = token("evicted");

				equal(ask(c, "SELECT ?::text || ' " + n + "." + i % 20
					+ "'", mine), mine + " " + n + "." + i % 20);
			}
		}
	}

	static void types(Connection c, int n) throws SQLException {
		try (PreparedStatement s = c.prepareStatement("SELECT ?::int8, "
			 + "?::numeric, ?::bool, ?::bytea, ?::text[], ?::text")) {
			for (int i = 0; i < 8; i++) {
				s.setLong(1, (1L << 53) + i);
				s.setBigDecimal(2, new BigDecimal("123.450"));
				s.setBoolean(3, true);
				s.setBytes(4, new byte[] { 0, -1 });
				s.setArray(5, c.createArrayOf("text",
				    new String[] { "x\"y", null }));
				s.setNull(6, Types.VARCHAR);
				ResultSet r = s.executeQuery();

				check(r.next(), "no row");
				equal(r.getLong(1), (1L << 53) + i);
				equal(r.getBigDecimal(2), new BigDecimal("123.450"));
				equal(r.getBoolean(3), true);
				equal((int) r.getBytes(4)[1], -1);
				Array a = r.getArray(5);

				equal(((String[]) a.getArray())[0], "x\"y");
				check(r.getString(6) == null, "not null");
			}
		}
	}

	static void transaction(Connection c, int n) throws SQLException {
		String mine = token("row");
		String insert = "INSERT INTO kept VALUES (?)";
		String count = "SELECT count(*) FROM kept WHERE token = ?";

		c.setAutoCommit(false);
		for (int i = 0; i < 6; i++) {
			run(c, insert, mine);
			equal(ask(c, count, mine), 1L);
			c.rollback();
			equal(ask(c, count, mine), 0L);
		}
		Savepoint s = c.setSavepoint();
		run(c, insert, mine);
		c.rollback(s);
		run(c, insert, mine);
		c.commit();
		c.setAutoCommit(true);
		equal(ask(c, count, mine), 1L);
		c.setReadOnly(true);
		c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
		c.setAutoCommit(false);
		equal(ask(c, "SHOW transaction_isolation"), "serializable");
		fails(c, "25006", insert, mine);
		c.rollback();
		c.setAutoCommit(true);
		c.setReadOnly(false);
		c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
	}

	static void error(Connection c, int n) throws SQLException {
		String divide = "SELECT 10 / ?::int";

		for (int i = 0; i < 8; i++) {
			equal(ask(c, divide, 5), 2);
			fails(c, "22012", divide, 0);
		}
		fails(c, "42601", "SELEC ?", 1);
		c.setAutoCommit(false);
		fails(c, "22012", divide, 0);
		fails(c, "25P02", divide, 1);
		c.rollback();
		c.setAutoCommit(true);
		equal(ask(c, divide, 1), 10);
	}

	static void batch(Connection c, int n) throws SQLException {
		String mine = token("batch");
		String count = "SELECT count(*) FROM kept WHERE token LIKE ?";

		for (int round = 0; round < 3; round++)
			try (PreparedStatement s =
				 c.prepareStatement("INSERT INTO kept VALUES (?)")) {
				for (int i = 0; i < 300; i++) {
					s.setString(1, mine + "-" + i);
					s.addBatch();
				}
				equal(s.executeBatch().length, 300);
			}
		equal(ask(c, count, mine + "-%"), 900L);
		try (PreparedStatement s =
			 c.prepareStatement("INSERT INTO strict VALUES (?)")) {
			for (String v : new String[] { mine, null, mine }) {
				s.setString(1, v);
				s.addBatch();
			}
			s.executeBatch();
			throw new AssertionError("a null was taken");
		} catch (BatchUpdateException e) {
			equal(e.getSQLState(), "23502");
		}
		equal(ask(c, "SELECT count(*) FROM strict WHERE token = ?", mine), 0L);
		try (Statement s = c.createStatement()) {
			s.addBatch("INSERT INTO kept VALUES ('" + mine + "')");
			s.addBatch("DELETE FROM kept WHERE token = '" + mine + "'");
			equal(s.executeBatch()[1], 1);
		}
	}

	static void keys(Connection c, int n) throws SQLException {
		for (int i = 0; i < 7; i++) {
			String mine = token("key");

			try (PreparedStatement s = c.prepareStatement(
				 "INSERT INTO kept VALUES (?)",
				 Statement.RETURN_GENERATED_KEYS)) {
				s.setString(1, mine);
				equal(s.executeUpdate(), 1);
				ResultSet r = s.getGeneratedKeys();

				check(r.next(), "no key");
				equal(r.getString(1), mine);
			}
		}
	}

	/** Portals: the fetch size makes them, within a transaction. */
	static void cursor(Connection c, int n) throws SQLException {
		c.setAutoCommit(false);
		for (int round = 0; round < 7; round++) {
			String mine = token("cursor");
			int i = 0;

			try (PreparedStatement s = c.prepareStatement("SELECT ?::text "
				 + "|| '.' || i FROM generate_series(1, 250) i")) {
				s.setFetchSize(40);
				s.setString(1, mine);
				ResultSet r = s.executeQuery();

				while (r.next()) {
					equal(r.getString(1), mine + "." + ++i);
					if (i % 50 == 0) /* another one in between */
						equal(ask(c, "SELECT ?::int", i), i);
				}
			}
			equal(i, 250);
			c.commit();
		}
		c.setAutoCommit(true);
	}

	static void function(Connection c, int n) throws SQLException {
		for (int i = 0; i < 7; i++)
			try (CallableStatement s =
				 c.prepareCall("{? = call lower(?)}")) {
				String mine = token("FUNCTION");

				s.registerOutParameter(1, Types.VARCHAR);
				s.setString(2, mine);
				s.execute();
				equal(s.getString(1), mine.toLowerCase());
			}
	}

	static void metadata(Connection c, int n) throws SQLException {
		DatabaseMetaData m = c.getMetaData();
		int columns = 0;

		equal(m.getDatabaseProductName(), "PostgreSQL");
		try (ResultSet r = m.getColumns(null, "public", "kept", "%")) {
			while (r.next())
				columns++;
		}
		equal(columns, 1);
		try (PreparedStatement s =
			 c.prepareStatement("SELECT token FROM kept WHERE token = ?")) {
			equal(s.getParameterMetaData().getParameterTypeName(1), "text");
			equal(s.getMetaData().getColumnName(1), "token");
		}
	}

	static void copy(Connection c, int n) throws Exception {
		CopyManager m = c.unwrap(PGConnection.class).getCopyAPI();
		String mine = token("copy");
		StringBuilder text = new StringBuilder();
		StringWriter back = new StringWriter();

		for (int i = 0; i < 2000; i++)
			text.append(mine).append('-').append(i).append('\n');
		equal(m.copyIn("COPY kept FROM STDIN",
			  new StringReader(text.toString())), 2000L);
		m.copyOut("COPY (SELECT token FROM kept WHERE token LIKE '" + mine
		    + "-%' ORDER BY length(token), token) TO STDOUT", back);
		equal(back.toString(), text.toString());
	}

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
		run(c, "SET work_mem = '" + (1000 + n) + "kB'");
		for (int i = 0; i < ROUNDS; i++) {
			equal(ask(c, "SHOW application_name"), mine);
			equal(ask(c, "SELECT name FROM s" + n % 4 + ".place"),
			    "s" + n % 4);
			equal(ask(c, "SELECT current_schema()::text"), "s" + n % 4);
			equal(ask(c, "SHOW work_mem"), (1000 + n) + "kB");
		}
		c.setSchema("public");
		run(c, "RESET work_mem");
		c.setClientInfo("ApplicationName", "");
		equal(ask(c, "SHOW work_mem"), "4MB");
	}

	static void startup(Connection unused, int n) throws SQLException {
		try (Connection c = connect("ApplicationName", "start " + n,
			 "currentSchema", "s" + n % 4, "options",
			 "-c work_mem=" + (1000 + n) + "kB")) {
			for (int i = 0; i < ROUNDS; i++) {
				equal(ask(c, "SHOW application_name"), "start " + n);
				equal(ask(c, "SHOW work_mem"), (1000 + n) + "kB");
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
		for (int i = 0; i < ROUNDS; i++)
			equal(ask(c, "SELECT count(*) FROM pg_locks WHERE locktype = "
				+ "'advisory' AND objid = ?::int AND pid = "
				+ "pg_backend_pid()", 4400 + n), 1L);
		equal(ask(c, "SELECT pg_advisory_unlock(?)", 4400 + n), true);
	}

	static void sql_prepare(Connection c, int n) throws SQLException {
		run(c, "PREPARE plan (text) AS SELECT $1 || ' " + n + "'");
		for (int i = 0; i < ROUNDS; i++) {
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

	static void after(Connection c, int n) throws SQLException {
		String mine = token("after");

		check(c.isValid(5), "not valid");
		equal(ask(c, "SELECT ?::text", mine), mine);
	}

	static final Map<String, Step> steps = new LinkedHashMap<>();

	static {
		steps.put("simple", AppJdbc::simple);
		steps.put("prepared", AppJdbc::prepared);
		steps.put("many_texts", AppJdbc::many_texts);
		steps.put("evicted", AppJdbc::evicted);
		steps.put("types", AppJdbc::types);
		steps.put("transaction", AppJdbc::transaction);
		steps.put("error", AppJdbc::error);
		steps.put("batch", AppJdbc::batch);
		steps.put("keys", AppJdbc::keys);
		steps.put("cursor", AppJdbc::cursor);
		steps.put("function", AppJdbc::function);
		steps.put("metadata", AppJdbc::metadata);
		steps.put("copy", AppJdbc::copy);
		steps.put("listen", AppJdbc::listen);
		steps.put("set", AppJdbc::set);
		steps.put("startup", AppJdbc::startup);
		steps.put("temporary", AppJdbc::temporary);
		steps.put("advisory", AppJdbc::advisory);
		steps.put("sql_prepare", AppJdbc::sql_prepare);
		steps.put("autosave", AppJdbc::autosave);
		steps.put("conservative", AppJdbc::conservative);
		steps.put("cancel", AppJdbc::cancel);
		steps.put("after", AppJdbc::after);
	}

	static HikariDataSource open() {
		HikariConfig h = new HikariConfig();

		h.setJdbcUrl(URL + "?sslmode=disable");
		h.setUsername(System.getenv("PGUSER"));
		h.setPassword("none");
		return new HikariDataSource(h);
	}

	static Void one(Step step, HikariDataSource pool, int n) throws Exception {
		Connection c = pool.getConnection();

		try {
			step.run(c, n);
		} catch (Throwable e) {
			pool.evictConnection(c);
			throw e;
		} finally {
			c.close();
		}
		return null;
	}

	static String brief(Throwable e) {
		StringBuilder s = new StringBuilder();

		if (e instanceof SQLException)
			s.append(((SQLException) e).getSQLState()).append(' ');
		s.append(String.valueOf(e).replaceAll("\\s+", " "));
		for (StackTraceElement f : e.getStackTrace())
			if (f.getClassName().equals("AppJdbc"))
				s.append(" at ").append(f.getLineNumber());
		return s.toString();
	}

	static void tell(String name, List<Future<Void>> crowd) throws Exception {
		Throwable first = null;
		int bad = 0;

		for (Future<Void> f : crowd)
			try {
				f.get(STEP_MS, TimeUnit.MILLISECONDS);
			} catch (Exception e) {
				Throwable cause = e.getCause() == null ? e : e.getCause();

				first = first == null ? cause : first;
				bad++;
				f.cancel(true);
			}
		if (bad == 0)
			System.out.println("ok " + name);
		else
			System.out.println("FAIL " + name + ": " + bad + " of "
			    + CROWD + ": " + brief(first));
	}

	public static void main(String[] args) throws Exception {
		ExecutorService threads = Executors.newCachedThreadPool();
		List<HikariDataSource> pools = new ArrayList<>();
		String only = System.getenv("APP_ONLY");

		if (only != null && !only.isEmpty())
			steps.keySet().retainAll(List.of(only.split(" ")));
		System.out.println("plan " + (steps.size() + 1));
		for (int i = 0; i < 3; i++)
			pools.add(open());
		System.out.println("ok connect");
		for (Map.Entry<String, Step> e : steps.entrySet()) {
			List<Future<Void>> crowd = new ArrayList<>();

			for (int i = 0; i < CROWD; i++) {
				int n = i;

				crowd.add(threads.submit(() ->
				    one(e.getValue(), pools.get(n % 3), n)));
			}
			tell(e.getKey(), crowd);
		}
		for (HikariDataSource p : pools)
			p.close();
		System.exit(0);
	}
}
