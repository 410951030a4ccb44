# The other side of Offheap.Bench.Runner's fresh emulator: measures one side of one scenario, prints it.
[_lib, file, title, side] = Enum.map(:init.get_plain_arguments(), &to_string/1)
__DIR__ |> Path.join("*.ex") |> Path.wildcard() |> Kernel.ParallelCompiler.compile()
scenario = Enum.find(Offheap.Bench.load(file), &(Offheap.Bench.title(&1) == title))
IO.puts(scenario[String.to_existing_atom(side)].() * 1.0)
