# Paired benchmarks against OTP. From the top of the tree:
#
#     mix run bench/run.exs [--quick] [--only TEXT] [--json PATH] [--rounds N] [--round-ms N]
#
# --quick     5 pairs of short rounds: a look, not a measurement
# --only      scenarios whose title contains TEXT, such as "atomics" or "2 processes"
# --json      where to write the results; a full run writes bench/results/<machine>.json anyway
{opts, [], []} =
  OptionParser.parse(System.argv(),
    strict: [quick: :boolean, only: :string, json: :string, rounds: :integer, round_ms: :integer]
  )

unless Code.ensure_loaded?(Offheap.Bench) do
  for file <- Path.wildcard(Path.join(__DIR__, "lib/*.ex")), do: Code.require_file(file)
end

alias Offheap.Bench.{Machine, Report, Runner}

{rounds, round_ms} = if opts[:quick], do: {5, 10}, else: {11, 60}
settings = %{rounds: opts[:rounds] || rounds, round_ms: opts[:round_ms] || round_ms}

scenarios = Offheap.Bench.scenarios(opts[:only] || "")
if scenarios == [], do: raise("no scenario's title contains #{inspect(opts[:only])}")

machine = Machine.describe()
Report.header(machine, settings)
results = Runner.run(scenarios, settings, &Report.row/1)
Report.footer(results)

full_run? = opts[:only] == nil and opts[:quick] != true
default = Path.join([__DIR__, "results", Machine.slug() <> ".json"])
path = opts[:json] || (full_run? && default)
if path, do: Report.write(path, machine, results)
