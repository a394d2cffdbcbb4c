/*
 * JdbcFrame.java - what the programs over pgjdbc share: a connection to where
 * the environment says, one query and its answer, and what has to hold.
 */
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;

abstract class JdbcFrame {
	static final String URL = "jdbc:postgresql://" + env("PGHOST") + ":"
	    + env("PGPORT") + "/" + env("PGDATABASE");
	static final boolean IS_TLS = !env("PGSSLMODE").equals("disable");
	private static final AtomicLong serial = new AtomicLong();

	static String env(String name) {
		return System.getenv(name);
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

	/** name, value, name, value... over what the environment says. */
	static Connection connect(String... more) throws SQLException {
		Properties p = new Properties();

		p.setProperty("user", env("PGUSER"));
		p.setProperty("password", env("PGPASSWORD"));
		p.setProperty("sslmode", env("PGSSLMODE"));
		p.setProperty("connectTimeout", "20");
		if (IS_TLS)
			p.setProperty("sslrootcert", env("PGSSLROOTCERT"));
		for (int i = 0; i < more.length; i += 2)
			p.setProperty(more[i], more[i + 1]);
		return DriverManager.getConnection(URL, p);
	}

	private static PreparedStatement prepare(Connection c, String sql,
	    Object... values) throws SQLException {
		PreparedStatement s = c.prepareStatement(sql);

		for (int i = 0; i < values.length; i++)
			s.setObject(i + 1, values[i]);
		return s;
	}

	static Object ask(Connection c, String sql, Object... values)
	    throws SQLException {
		try (PreparedStatement s = prepare(c, sql, values);
		     ResultSet r = s.executeQuery()) {
			check(r.next(), "no row: " + sql);
			return r.getObject(1);
		}
	}

	static void run(Connection c, String sql, Object... values)
	    throws SQLException {
		try (PreparedStatement s = prepare(c, sql, values)) {
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
}
