/*
 * AppJdbc.java - pgjdbc behind HikariCP, both with the settings that they have
 * by themselves: a thread a member, and a pool of ten for each eight of them.
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
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public final class AppJdbc extends JdbcFrame {
	static final int CROWD = number("APP_CROWD", 24), POOL_FOR = 8;
	static final int ROUNDS = number("APP_ROUNDS", 8);
	static final int STEP_MS = number("APP_STEP_MS", 40000);

	interface Step {
		void run(Connection c, int n) throws Exception;
	}

	static int number(String name, int otherwise) {
		String value = env(name);

		return value == null ? otherwise : Integer.parseInt(value);
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
		steps.put("listen", AppJdbcSession::listen);
		steps.put("set", AppJdbcSession::set);
		steps.put("startup", AppJdbcSession::startup);
		steps.put("temporary", AppJdbcSession::temporary);
		steps.put("advisory", AppJdbcSession::advisory);
		steps.put("sql_prepare", AppJdbcSession::sql_prepare);
		steps.put("autosave", AppJdbcSession::autosave);
		steps.put("conservative", AppJdbcSession::conservative);
		steps.put("cancel", AppJdbcSession::cancel);
		steps.put("after", AppJdbc::after);
	}

	static HikariDataSource open() {
		HikariConfig h = new HikariConfig();

		h.setJdbcUrl(URL + "?sslmode=disable");
		h.setUsername(env("PGUSER"));
		h.setPassword(env("PGPASSWORD"));
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
			if (f.getClassName().startsWith("AppJdbc"))
				s.append(" at ").append(f.getFileName())
				    .append(':').append(f.getLineNumber());
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
		String only = env("APP_ONLY");

		if (only != null && !only.isEmpty())
			steps.keySet().retainAll(List.of(only.split(" ")));
		System.out.println("plan " + (steps.size() + 1));
		for (int i = 0; i < CROWD; i += POOL_FOR)
			pools.add(open());
		System.out.println("ok connect");
		for (Map.Entry<String, Step> e : steps.entrySet()) {
			List<Future<Void>> crowd = new ArrayList<>();

			for (int i = 0; i < CROWD; i++) {
				int n = i;

				crowd.add(threads.submit(() ->
				    one(e.getValue(), pools.get(n / POOL_FOR), n)));
			}
			tell(e.getKey(), crowd);
		}
		for (HikariDataSource p : pools)
			p.close();
		System.exit(0);
	}
}
