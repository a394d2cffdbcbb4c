# table.awk - bench.sh's raw lines as tables of medians.
#
# In: round case peer tps N latency_ms N cpu_us N mem_kb N [bytes N]
# -v peers=... -v cases=... -v idle=clients

{
	for (i = 4; i < NF; i += 2)
		value[$1, $2, $3, $i] = $(i + 1)
	rounds = $1 > rounds ? $1 : rounds
}

# The median of list[1..n]; sorts it.
function median(list, n,    i, j, v)
{
	for (i = 2; i <= n; i++) {
		v = list[i]
		for (j = i - 1; j > 0 && list[j] > v; j--)
			list[j + 1] = list[j]
		list[j + 1] = v
	}
	if (n % 2)
		return list[(n + 1) / 2]
	return (list[n / 2] + list[n / 2 + 1]) / 2
}

# The median over the rounds, or -1 if there is none.
function middle(c, p, what,    r, n, list)
{
	for (r = 1; r <= rounds; r++)
		if ((r, c, p, what) in value)
			list[++n] = value[r, c, p, what]
	return n ? median(list, n) : -1
}

# A PgBouncer older than 1.21 has no prepared statements in transaction mode:
# then what it takes for the same as simple queries stands in.
function base_case(c, base,    r)
{
	for (r = 1; r <= rounds; r++)
		if ((r, c, base, "cpu_us") in value)
			return c
	return c ~ /^p/ ? "s" substr(c, 2) : c
}

# The median of the ratios within each round: what both suffered cancels out.
function ratio(c, p, base,    r, n, b, list)
{
	b = base_case(c, base)
	for (r = 1; r <= rounds; r++)
		if ((r, c, p, "cpu_us") in value &&
		    (r, b, base, "cpu_us") in value &&
		    value[r, b, base, "cpu_us"] > 0)
			list[++n] = value[r, c, p, "cpu_us"] / \
			    value[r, b, base, "cpu_us"]
	return n ? median(list, n) : -1
}

function title(c)
{
	if (c ~ /^s[0-9]/)
		return "select, " substr(c, 2)
	if (c ~ /^x[0-9]/)
		return "select extended, " substr(c, 2)
	if (c ~ /^p[0-9]/)
		return "select prepared, " substr(c, 2)
	if (c ~ /^tpcb/)
		return "TPC-B-like, " substr(c, 5)
	if (c ~ /^conn/)
		return "connect each, " substr(c, 5)
	if (c ~ /^mb/)
		return "1 MB result, " substr(c, 3)
	return c
}

# What the project has set out to reach, as CPU over PgBouncer's.
function goal(c)
{
	# 15.5 us prepared where it takes 12 simple: measured with 1.25
	if (c ~ /^p/)
		return base_case(c, "pgbouncer") == c ? 0.70 : 0.90
	if (c ~ /^[sx](64|1000)$/)
		return 0.85
	if (c ~ /^tpcb/)
		return 0.90
	if (c ~ /^mb/)
		return 0.65
	return 1.00
}

function cell(v, form)
{
	return v < 0 ? "-" : sprintf(form, v)
}

# Of no pooler there is no cost.
function pooler_cell(p, v)
{
	return p == "direct" ? "-" : cell(v, "%.1f")
}

function show_costs(    i, j, c, p)
{
	printf "\n%-22s %-10s %9s %11s %13s %10s\n", "case, clients", "peer",
	    "tps", "latency ms", "CPU us/tx", "memory MB"
	for (i = 1; i <= case_count; i++) {
		c = case_name[i]
		if (c == "idle")
			continue
		for (j = 1; j <= peer_count; j++) {
			p = peer_name[j]
			printf "%-22s %-10s %9s %11s %13s %10s\n",
			    j == 1 ? title(c) : "", p,
			    cell(middle(c, p, "tps"), "%.0f"),
			    cell(middle(c, p, "latency_ms"), "%.3f"),
			    pooler_cell(p, middle(c, p, "cpu_us")),
			    pooler_cell(p, middle(c, p, "mem_kb") / 1024)
		}
	}
}

function show_idle(    j, v)
{
	printf "\n%-22s %-10s %9s\n", "idle clients", "peer", "B/client"
	for (j = 1; j <= peer_count; j++) {
		v = middle("idle", peer_name[j], "bytes")
		if (v >= 0)
			printf "%-22s %-10s %9.0f\n", idle, peer_name[j], v
	}
}

function show_ratios(    i, j, c, p, v)
{
	print "\nCPU per transaction over PgBouncer's in the same round"
	printf "%-22s", "case, clients"
	for (j = 1; j <= peer_count; j++)
		if (peer_name[j] ~ /^pooler|^forwarder|^pgbouncer./)
			printf " %10s", peer_name[j]
	printf " %8s\n", "goal"
	for (i = 1; i <= case_count; i++) {
		c = case_name[i]
		if (c == "idle")
			continue
		printf "%-22s", title(c)
		for (j = 1; j <= peer_count; j++) {
			p = peer_name[j]
			if (p !~ /^pooler|^forwarder|^pgbouncer./)
				continue
			v = ratio(c, p, "pgbouncer")
			printf " %9s%s", cell(v, "%.2f"),
			    (p ~ /^pooler/ && v > goal(c) ? "*" : " ")
		}
		printf " %8.2f\n", goal(c)
	}
	print "* above the goal"
}

# What a second process costs: ours beside that of others.
function show_growth(    i, c)
{
	print "\nCPU per transaction with two processes over that with one"
	printf "%-22s %10s %10s %10s\n", "case, clients", "forwarder",
	    "pgbouncer", "pooler"
	for (i = 1; i <= case_count; i++) {
		c = case_name[i]
		if (c != "idle")
			printf "%-22s %10s %10s %10s\n", title(c),
			    cell(ratio(c, "forwarder2", "forwarder"), "%.2f"),
			    cell(ratio(c, "pgbouncer2", "pgbouncer"), "%.2f"),
			    cell(ratio(c, "pooler2", "pooler1"), "%.2f")
	}
}

END {
	peer_count = split(peers, peer_name, " ")
	case_count = split(cases, case_name, " ")
	show_costs()
	if (cases ~ /idle/)
		show_idle()
	if (peers ~ /pgbouncer/ && peers ~ /pooler|forwarder/)
		show_ratios()
	if (peers ~ /pooler1/ && peers ~ /pooler2/)
		show_growth()
}
