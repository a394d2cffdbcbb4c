/*
 * TalkJdbc.java - pgjdbc's conversation.
 */
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public final class TalkJdbc extends JdbcFrame {
	static final int CROWD = 20, ROUNDS = 10, ROWS = 5000;

	interface Step {
		void run(Connection c) throws Exception;
	}

	static void simple(Connection c) throws SQLException {
		try (Statement s = c.createStatement();
		     ResultSet r = s.executeQuery("SELECT 6 * 7")) {
			check(r.next(), "no row");
			equal(r.getInt(1), 42);
		}
		equal(ask(c, "SELECT current_user::text"), env("PGUSER"));
	}

	static void parameter(Connection c) throws SQLException {
		try (PreparedStatement s =
			 c.prepareStatement("SELECT ?::text, ?::int + 1")) {
			for (int i = 0; i < 8; i++) {
				String want = "it's " + i + ": \\ \u00e4 \u20ac";

				s.setString(1, want);
				s.setInt(2, i);
				try (ResultSet r = s.executeQuery()) {
					check(r.next(), "no row");
					equal(r.getString(1), want);
					equal(r.getInt(2), i + 1);
				}
			}
		}
	}

	static void transaction(Connection c) throws SQLException {
		String mine = token("row");
		String insert = "INSERT INTO kept VALUES ('" + mine + "')";
		String count = "SELECT count(*) FROM kept WHERE token = ?";

		c.setAutoCommit(false);
		run(c, insert);
		equal(ask(c, count, mine), 1L);
		c.rollback();
		equal(ask(c, count, mine), 0L);
		run(c, insert);
		c.commit();
		c.setAutoCommit(true);
		equal(ask(c, count, mine), 1L);
	}

	static String md5(int i) throws Exception {
		byte[] sum = MessageDigest.getInstance("MD5").digest(
		    Integer.toString(i).getBytes("US-ASCII"));

		return String.format("%032x", new BigInteger(1, sum));
	}

	static void large(Connection c) throws Exception {
		int n = 0;

		try (Statement s = c.createStatement();
		     ResultSet r = s.executeQuery("SELECT i, "
			 + "repeat(md5(i::text), 32) FROM generate_series(1, "
			 + ROWS + ") i")) {
			while (r.next()) {
				equal(r.getInt(1), ++n);
				equal(r.getString(2), md5(n).repeat(32));
			}
		}
		equal(n, ROWS);
	}

	static void error(Connection c) throws SQLException {
		fails(c, "22012", "SELECT 1/0");
		equal(ask(c, "SELECT 1"), 1);
		c.setAutoCommit(false);
		fails(c, "42P01", "SELECT * FROM not_there");
		fails(c, "25P02", "SELECT 1");
		c.rollback();
		c.setAutoCommit(true);
		equal(ask(c, "SELECT 2"), 2);
	}

	static void copy(Connection c) throws SQLException, IOException {
		CopyManager m = c.unwrap(PGConnection.class).getCopyAPI();
		String mine = token("copy");
		StringBuilder text = new StringBuilder();
		StringWriter back = new StringWriter();

		for (int i = 0; i < 10000; i++)
			text.append(mine).append('-').append(i).append('\n');
		equal(m.copyIn("COPY kept FROM STDIN",
			  new StringReader(text.toString())), 10000L);
		m.copyOut("COPY (SELECT token FROM kept WHERE token LIKE '"
		    + mine + "-%') TO STDOUT", back);
		equal(back.toString(), text.toString());
		equal(ask(c, "SELECT 3"), 3);
	}

	static void cancel(Connection c) throws Exception {
		String mine = token("sleep");
		ExecutorService aside = Executors.newSingleThreadExecutor();

		try (Connection watcher = connect();
		     Statement s = c.createStatement()) {
			Future<String> state = aside.submit(() -> {
				try {
					s.execute("SELECT pg_sleep(30) /* " + mine
					    + " */");
					return "done";
				} catch (SQLException e) {
					return e.getSQLState();
				}
			});
			long limit = System.nanoTime() + 10_000_000_000L;

			while (ask(watcher, "SELECT count(*) FROM "
				   + "pg_stat_activity WHERE state = 'active' "
				   + "AND pid <> pg_backend_pid() AND query "
				   + "LIKE ?", "%" + mine + "%").equals(0L))
				check(System.nanoTime() < limit,
				    "the query does not run");
			s.cancel();
			equal(state.get(10, TimeUnit.SECONDS), "57014");
		} finally {
			aside.shutdownNow();
		}
		equal(ask(c, "SELECT 4"), 4);
	}

	static void parallel(Connection unused) throws Exception {
		ExecutorService threads = Executors.newFixedThreadPool(CROWD);
		CountDownLatch start = new CountDownLatch(CROWD);
		List<Future<Void>> crowd = new ArrayList<>();

		for (int n = 0; n < CROWD; n++)
			crowd.add(threads.submit(() -> {
				try (Connection c = connect()) {
					start.countDown();
					check(start.await(20, TimeUnit.SECONDS),
					    "not all connect");
					for (int i = 0; i < ROUNDS; i++) {
						String mine = token("crowd");

						equal(ask(c, "SELECT ?::text",
							  mine), mine);
					}
				}
				return null;
			}));
		for (Future<Void> f : crowd)
			f.get(30, TimeUnit.SECONDS);
		threads.shutdown();
	}

	static void refused(String state, String... more) throws SQLException {
		try {
			connect(more).close();
		} catch (SQLException e) {
			equal(e.getSQLState(), state);
			return;
		}
		throw new AssertionError("let in: " + String.join(" ", more));
	}

	static void password(Connection unused) throws SQLException {
		if (env("TALK_AUTH").equals("trust")) {
			refused("28000", "user", "nobody");
			return;
		}
		refused("28P01", "password", "wrong");
		refused("28P01", "user", "nobody");
	}

	static void stranger(Connection unused) throws SQLException {
		refused("08006", "sslrootcert", env("TALK_OTHER_CA"));
	}

	static void close(Connection c) throws SQLException {
		c.close();
		check(c.isClosed(), "not closed");
	}

	static void step(String name, Connection c, Step s) throws Exception {
		s.run(c);
		System.out.println("ok " + name);
	}

	static void talk() throws Exception {
		Connection c = connect();

		System.out.println("ok connect");
		step("simple", c, TalkJdbc::simple);
		step("parameter", c, TalkJdbc::parameter);
		step("transaction", c, TalkJdbc::transaction);
		step("large", c, TalkJdbc::large);
		step("error", c, TalkJdbc::error);
		step("copy", c, TalkJdbc::copy);
		step("cancel", c, TalkJdbc::cancel);
		step("parallel", c, TalkJdbc::parallel);
		step("password", c, TalkJdbc::password);
		if (IS_TLS)
			step("stranger", c, TalkJdbc::stranger);
		step("close", c, TalkJdbc::close);
	}

	/** Ends whatever threads are left, too. */
	public static void main(String[] args) {
		try {
			talk();
			System.exit(0);
		} catch (Throwable e) {
			e.printStackTrace();
			System.exit(1);
		}
	}
}
