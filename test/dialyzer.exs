# Dialyzer over the beams of the folder given. Its table of what they call (PLT) holds the runtime
# system and the modules called, no more, and is kept in ${XDG_CACHE_HOME:-~/.cache}/offheap by their
# versions: it is made once a machine.
[ebin] = System.argv()
beams = Path.wildcard(Path.join(ebin, "*.beam")) |> Enum.map(&String.to_charlist/1)

called =
  for beam <- beams,
      {:ok, {_, [imports: imports]}} <- [:beam_lib.chunks(beam, [:imports])],
      {module, _, _} <- imports,
      uniq: true,
      do: module

own = for beam <- beams, do: beam |> Path.basename(".beam") |> String.to_atom()
# What is preloaded or optional has no file.
# What only types and protocols are taken from.
named = [File, Path, String, Collectable, Inspect, :calendar, :elixir]

others =
  for module <- Enum.uniq(named ++ called) -- own,
      path = :code.which(module),
      is_list(path),
      do: path

runtime = Path.wildcard(Path.join(:code.lib_dir(:erts), "ebin/*.beam"))
files = Enum.sort(others ++ Enum.map(runtime, &String.to_charlist/1))

release = "#{:erlang.system_info(:otp_release)}-#{System.version()}"
hash = :erlang.phash2({:erlang.system_info(:version), files})
home = System.get_env("XDG_CACHE_HOME") || Path.expand("~/.cache")
plt = Path.join([home, "offheap", "dialyzer-#{release}-#{hash}.plt"])

# Ended under another name first, so that one that was interrupted is not taken for whole.
unless File.exists?(plt) do
  IO.puts("dialyzer: making #{plt}")
  File.mkdir_p!(Path.dirname(plt))
  part = "#{plt}.#{System.pid()}"

  :dialyzer.run(
    analysis_type: :plt_build,
    files: files,
    output_plt: String.to_charlist(part)
  )

  File.rename!(part, plt)
end

# Telemetry is called where it is there.
optional? = &match?({:warn_unknown, _, {:unknown_function, {:telemetry, _, _}}}, &1)

warnings =
  :dialyzer.run(
    analysis_type: :succ_typings,
    files: beams,
    init_plt: String.to_charlist(plt),
    check_plt: false,
    warnings: [:unknown]
  )
  |> Enum.reject(optional?)

for warning <- warnings do
  warning |> :dialyzer.format_warning() |> IO.write()
end

if warnings != [], do: System.halt(1)
