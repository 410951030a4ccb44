# Paired benchmarks against OTP. From the top of the tree:
#
#     mix run bench/run.exs [--quick] [--only TEXT] [--json PATH] [--html PATH] [--rounds N] [--round-ms N]
#
# --quick     representative scenarios, 5 pairs of short rounds: a look, not a measurement
# --only      scenarios whose title contains TEXT, such as "atomics" or "2 processes"
# --json      where to write the results
# --html      where to write the page that shows them
#
# Without --only, both are written to bench/results/<machine> anyway, or <machine>_quick.
{opts, [], []} =
  OptionParser.parse(System.argv(),
    strict: [
      quick: :boolean,
      only: :string,
      json: :string,
      html: :string,
      rounds: :integer,
      round_ms: :integer
    ]
  )

unless Code.ensure_loaded?(Offheap.Bench) do
  __DIR__ |> Path.join("lib/*.ex") |> Path.wildcard() |> Kernel.ParallelCompiler.compile()
end

alias Offheap.Bench.{Machine, RatioPage, Report, Runner}

quick = opts[:quick] == true
{rounds, round_ms} = if quick, do: {5, 10}, else: {11, 60}
settings = %{rounds: opts[:rounds] || rounds, round_ms: opts[:round_ms] || round_ms, quick: quick}

scenarios = Offheap.Bench.scenarios(opts[:only] || "")
scenarios = if quick, do: Offheap.Bench.quick(scenarios), else: scenarios
if scenarios == [], do: raise("no scenario's title contains #{inspect(opts[:only])}")

machine = Machine.describe()
widths = Report.header(machine, settings, scenarios)
results = Runner.run(scenarios, settings, &Report.row(widths, &1))
Report.footer(results)

default = fn extension ->
  name = Machine.slug() <> if(quick, do: "_quick", else: "")
  if opts[:only] == nil, do: Path.join([__DIR__, "results", name <> extension])
end

if path = opts[:json] || default.(".json"), do: Report.write(path, machine, settings, results)

if path = opts[:html] || default.(".html"),
  do: Report.write_file(path, RatioPage.render(machine, settings, results))
