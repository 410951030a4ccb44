# The other side of Offheap.Bench.Runner's fresh emulator: measures one side of one scenario, prints it.
[_lib, file, title, side] = Enum.map(:init.get_plain_arguments(), &to_string/1)
for lib <- Path.wildcard(Path.join(__DIR__, "*.ex")), do: Code.require_file(lib)
scenario = Enum.find(Offheap.Bench.load(file), &(Offheap.Bench.title(&1) == title))
IO.puts(scenario[String.to_existing_atom(side)].() * 1.0)
