# app_ruby.rb - ruby-pg as an application uses it: a thread a member.
require 'pg'

CROWD = (ENV['APP_CROWD'] || 24).to_i
ROUNDS = (ENV['APP_ROUNDS'] || 8).to_i
STEP_S = (ENV['APP_STEP_MS'] || 40_000).to_i / 1000.0
ONLY = (ENV['APP_ONLY'] || '').split

$stdout.sync = true
Thread.report_on_exception = false
SERIAL = Queue.new
SERIAL << 0

# A string that nobody else sends.
def token(what)
  number = SERIAL.pop + 1
  SERIAL << number
  "#{what}-#{Process.pid}-#{number}"
end

def check(condition, why)
  raise why unless condition
end

def equal(got, want)
  check(got == want, "#{got.inspect} is not #{want.inspect}")
end

def connect(**more)
  c = PG.connect(sslmode: 'disable', connect_timeout: 20,
                 **{ application_name: 'ruby' }.merge(more))
  c.set_notice_processor { |_| nil }
  c
end

def same(conn, sql, want, *values)
  got = values.empty? ? conn.exec(sql) : conn.exec_params(sql, values)
  equal(got.getvalue(0, 0), want)
end

def fails(conn, error, sql, *values)
  conn.exec_params(sql, values)
rescue error
  nil
else
  raise "no error: #{sql}"
end

STEPS = {
  simple: lambda do |c, _n|
    ROUNDS.times do
      mine = token('simple')
      same(c, "SELECT '#{mine}'", mine)
    end
  end,

  parameter: lambda do |c, n|
    ROUNDS.times do |i|
      mine = token("it's \u20ac")
      same(c, "SELECT $1::text || ' of #{n}'", "#{mine} of #{n}", mine)
      r = c.exec_params('SELECT $1::int8 + 1', [i], 0)
      equal(r.getvalue(0, 0), (i + 1).to_s)
    end
  end,

  # one name in all members, another statement in each
  prepared: lambda do |c, n|
    c.prepare('mine', "SELECT $1::text || ' of #{n}'")
    equal(c.describe_prepared('mine').nparams, 1)
    ROUNDS.times do
      mine = token('prepared')
      r = c.exec_prepared('mine', [mine])
      equal(r.getvalue(0, 0), "#{mine} of #{n}")
    end
    begin
      c.prepare('mine', 'SELECT 1')
      raise 'prepared twice'
    rescue PG::DuplicatePstatement
      nil
    end
    c.exec('DEALLOCATE mine')
    begin
      c.exec_prepared('mine', ['x'])
      raise 'still there'
    rescue PG::InvalidSqlStatementName
      nil
    end
  end,

  # a1, a2...: as the pool of an object mapper names them
  many_statements: lambda do |c, n|
    40.times { |i| c.prepare("a#{i}", "SELECT $1::text || ' #{n}.#{i}'") }
    2.times do
      40.times do |i|
        mine = token('many')
        equal(c.exec_prepared("a#{i}", [mine]).getvalue(0, 0), "#{mine} #{n}.#{i}")
      end
    end
    c.exec('DEALLOCATE ALL')
  end,

  types: lambda do |c, _n|
    c.type_map_for_results = PG::BasicTypeMapForResults.new(c)
    c.type_map_for_queries = PG::BasicTypeMapForQueries.new(c)
    begin
      r = c.exec_params('SELECT $1::int8, $2::float8, $3::bool, $4::text[]',
                        [2**53 + 1, 1.5, true, ['x"y', nil]])
      equal(r.values, [[2**53 + 1, 1.5, true, ['x"y', nil]]])
    ensure
      c.type_map_for_results = PG::TypeMapAllStrings.new
      c.type_map_for_queries = PG::TypeMapAllStrings.new
    end
  end,

  transaction: lambda do |c, _n|
    mine = token('row')
    count = 'SELECT count(*) FROM kept WHERE token = $1'
    begin
      c.transaction do
        c.exec_params('INSERT INTO kept VALUES ($1)', [mine])
        same(c, count, '1', mine)
        raise KeyError
      end
    rescue KeyError
      nil
    end
    same(c, count, '0', mine)
    c.transaction { c.exec_params('INSERT INTO kept VALUES ($1)', [mine]) }
    same(c, count, '1', mine)
  end,

  error: lambda do |c, _n|
    4.times do
      same(c, 'SELECT 10 / $1::int', '2', '5')
      fails(c, PG::DivisionByZero, 'SELECT 10 / $1::int', '0')
    end
    fails(c, PG::SyntaxError, 'SELEC $1', '1')
    c.exec('BEGIN')
    fails(c, PG::DivisionByZero, 'SELECT 1 / 0')
    equal(c.transaction_status, PG::PQTRANS_INERROR)
    fails(c, PG::InFailedSqlTransaction, 'SELECT 1')
    c.exec('ROLLBACK')
    equal(c.transaction_status, PG::PQTRANS_IDLE)
  end,

  pipeline: lambda do |c, _n|
    tokens = Array.new(30) { token('piped') }
    c.enter_pipeline_mode
    tokens.each { |t| c.send_query_params('SELECT $1::text', [t]) }
    c.send_query_params('SELECT 1 / $1::int', ['0'])
    c.send_query_params('SELECT 2', [])
    c.pipeline_sync
    tokens.each do |t|
      equal(c.get_result.getvalue(0, 0), t)
      equal(c.get_result, nil)
    end
    equal(c.get_result.error_field(PG::PG_DIAG_SQLSTATE), '22012')
    c.get_result
    equal(c.get_result.result_status, PG::PGRES_PIPELINE_ABORTED)
    c.get_result
    equal(c.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    c.exit_pipeline_mode
  end,

  # several statements at once, and row by row
  async: lambda do |c, n|
    mine = token('async')
    c.send_query("SELECT '#{mine}'; SELECT #{n}")
    equal(c.get_result.getvalue(0, 0), mine)
    equal(c.get_result.getvalue(0, 0), n.to_s)
    equal(c.get_result, nil)
    c.send_query_params('SELECT $1::text FROM generate_series(1, 100)', [mine])
    c.set_single_row_mode
    rows = 0
    c.get_result.stream_each_row { |row| rows += 1 if row[0] == mine }
    c.get_last_result
    equal(rows, 100)
  end,

  cursor: lambda do |c, _n|
    mine = token('cursor')
    c.transaction do
      c.exec("DECLARE walk CURSOR FOR SELECT '#{mine}.' || i FROM generate_series(1, 90) i")
      got = []
      until (r = c.exec('FETCH 40 FROM walk')).ntuples.zero?
        got.concat(r.column_values(0))
      end
      equal(got, (1..90).map { |i| "#{mine}.#{i}" })
      c.exec('CLOSE walk')
    end
  end,

  copy: lambda do |c, _n|
    mine = token('copy')
    lines = Array.new(1000) { |i| "#{mine}-#{i}\n" }
    c.copy_data('COPY kept FROM STDIN') { lines.each { |l| c.put_copy_data(l) } }
    back = []
    c.copy_data("COPY (SELECT token FROM kept WHERE token LIKE '#{mine}-%' " \
                'ORDER BY length(token), token) TO STDOUT') do
      while (row = c.get_copy_data)
        back << row
      end
    end
    equal(back, lines)
  end,

  listen: lambda do |c, n|
    other = connect
    c.exec("LISTEN room#{n}")
    5.times do
      mine = token('note')
      other.exec_params('SELECT pg_notify($1, $2)', ["room#{n}", mine])
      got = nil
      c.wait_for_notify(15) { |_channel, _pid, payload| got = payload }
      equal(got, mine)
    end
    c.exec('UNLISTEN *')
    other.close
  end,

  set: lambda do |c, n|
    mine = token('set')
    c.exec("SET application_name = '#{mine}'")
    c.exec("SET search_path TO s#{n % 4}")
    c.exec('SET SESSION TIME ZONE INTERVAL \'+03:00\' HOUR TO MINUTE')
    ROUNDS.times do
      same(c, 'SHOW application_name', mine)
      same(c, 'SELECT name FROM place', "s#{n % 4}")
      same(c, 'SHOW timezone', '<+03>-03')
    end
    c.exec('RESET ALL')
    # what the connection began with; in session mode, what the server's did
    same(c, 'SHOW application_name', ENV['APP_PLACE'] == 'session' ? '' : 'ruby')
  end,

  startup: lambda do |_c, n|
    c = connect(application_name: "start #{n}", options: "-c work_mem=#{1100 + n}kB")
    ROUNDS.times do
      same(c, 'SHOW application_name', "start #{n}")
      same(c, 'SHOW work_mem', "#{1100 + n}kB")
    end
    c.reset # a new connection, of the same kind
    same(c, 'SHOW work_mem', "#{1100 + n}kB")
    c.close
  end,

  temporary: lambda do |c, _n|
    mine = token('temp')
    c.exec('CREATE TEMP TABLE basket (v text)')
    c.exec_params('INSERT INTO basket VALUES ($1)', [mine])
    same(c, 'SELECT v FROM basket', mine)
    c.exec('DROP TABLE basket')
  end,

  advisory: lambda do |c, n|
    key = (4700 + n).to_s
    same(c, 'SELECT pg_advisory_lock($1)', '', key)
    ROUNDS.times do
      same(c, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND " \
              'objid = $1::int AND pid = pg_backend_pid()', '1', key)
    end
    same(c, 'SELECT pg_advisory_unlock($1)', 't', key)
  end,

  sql_prepare: lambda do |c, n|
    c.exec("PREPARE plan (text) AS SELECT $1 || ' #{n}'")
    ROUNDS.times do
      mine = token('plan')
      same(c, "EXECUTE plan('#{mine}')", "#{mine} #{n}")
    end
    c.exec('DEALLOCATE plan')
    fails(c, PG::InvalidSqlStatementName, "EXECUTE plan('x')")
  end,

  cancel: lambda do |c, n|
    next if n >= 2

    mine = token('sleep')
    c.send_query("SELECT pg_sleep(30) /* #{mine} */")
    other = connect
    limit = Time.now + 15
    while other.exec_params('SELECT count(*) FROM pg_stat_activity WHERE ' \
                            "state = 'active' AND pid <> pg_backend_pid() AND " \
                            'query LIKE $1', ["%#{mine}%"]).getvalue(0, 0) == '0'
      check(Time.now < limit, 'the query does not run')
    end
    c.cancel
    begin
      c.get_last_result
      raise 'not cancelled'
    rescue PG::QueryCanceled
      nil
    end
    other.close
    same(c, 'SELECT 4', '4')
  end,

  after: lambda do |c, _n|
    mine = token('after')
    same(c, 'SELECT $1::text', mine, mine)
  end
}.freeze

def brief(error)
  lines = error.backtrace.to_a.grep(/app_ruby/).map { |l| l[/:(\d+):/, 1] }
  "#{error.class} #{error.message.gsub(/\s+/, ' ')[0, 300]} at #{lines.join(' ')}"
end

chosen = STEPS.select { |name, _| ONLY.empty? || ONLY.include?(name.to_s) }
puts "plan #{chosen.size + 1}"
crowd = Array.new(CROWD) { connect }
puts 'ok connect'
chosen.each do |name, step|
  threads = crowd.each_with_index.map do |c, n|
    Thread.new do
      step.call(c, n)
      nil
    rescue StandardError => e
      e
    end
  end
  ends = threads.map { |t| t.join(STEP_S) ? t.value : RuntimeError.new('no end') }
  bad = ends.compact
  if bad.empty?
    puts "ok #{name}"
    next
  end
  puts "FAIL #{name}: #{bad.size} of #{CROWD}: #{brief(bad.first)}"
  ends.each_with_index do |e, n|
    next unless e

    threads[n].kill
    crowd[n].close unless crowd[n].finished?
    crowd[n] = connect
  end
end
crowd.each(&:close)
