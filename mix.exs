defmodule Offheap.MixProject do
  use Mix.Project

  @outputs ["offheap_nif.so", "offheap_port"]

  def project do
    remove_plain_output()

    [
      app: :offheap,
      version: "0.1.0",
      elixir: "~> 1.14",
      compilers: [:offheap_native] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      description: "Off-heap structures in C: atomics, buffers, tables and ports",
      package: package(),
      docs: docs(),
      aliases: [docs: [&erlang_docs/1, "docs"]],
      deps: []
    ]
  end

  def application do
    [
      mod: {:offheap_app, []},
      registered: [:offheap_sup, :offheap_port_pool],
      extra_applications: extra_applications(Mix.env())
    ]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  # PropEr is an application of the machine's Erlang, not of hex: named here, it stays on the code path.
  defp extra_applications(:test), do: [:logger, :proper]
  defp extra_applications(_), do: [:logger]

  defp package do
    [
      licenses: ["Apache-2.0"],
      files:
        ~w(lib src c_src/core c_src/nif c_src/port c_src/include Makefile people.mk test/c/check.mk
           mix.exs rebar.config .formatter.exs README.md CHANGELOG.md LICENSE)
    ]
  end

  # What a plain make left in the source's priv: Mix would copy it over the build's, at every call and in place, under
  # VMs that run it. rebar3, which uses it, makes it again.
  defp remove_plain_output do
    for file <- @outputs, do: File.rm(Path.join([__DIR__, "priv", file]))
  end

  # In the order of the table of contents.
  @guides ~w(choosing from_ets metrics rate_limiting buffers jobs own_jobs operating promises)

  # For mix docs, where ExDoc is on the machine (Debian: elixir-ex-doc); nothing else needs it.
  defp docs do
    guides = for name <- @guides, do: "guides/#{name}.md"

    # Pages of one name would stand in each other's place.
    notes =
      for path <- Enum.sort(Path.wildcard("doc/*.md")),
          do: {path, filename: "note_#{Path.basename(path, ".md")}"}

    [
      main: "readme",
      # The notes stand in doc/.
      output: "doc/html",
      extras:
        ["README.md" | guides] ++
          notes ++
          [{"bench/README.md", filename: "benchmarks"}] ++
          ~w(CHANGELOG.md CONTRIBUTING.md LICENSE),
      formatters: ["html"],
      groups_for_extras: [Guides: ~r"^guides/", Decisions: ~r"^doc/"],
      groups_for_modules: [
        "Atomics and what is built on them":
          ~r/Atomics|Counter|Histogram|Limiter|Bitset|BloomFilter|HyperLogLog|IdGenerator/,
        "Buffers, files, hashes": ~r/Pool$|Buffer|File|Hash|Binary/,
        Store: ~r/Store/,
        "Jobs and workers": ~r/Jobs|PortPool/,
        Operating: [Offheap, Offheap.Telemetry, Offheap.Top],
        Erlang: ~r/^:?offheap/
      ]
    ]
  end

  # Documentation chunks of the Erlang modules, where ExDoc and shells look for them. Tests call it, too.
  def erlang_docs(_args) do
    Mix.Task.run("compile")
    files = "src/offheap*.erl" |> Path.wildcard() |> Enum.map(&to_charlist/1)
    dir = Path.join(Mix.Project.app_path(), "doc")

    if edoc?() do
      File.mkdir_p!(dir)
      options = [dir: to_charlist(dir), preprocess: true]
      chunks = [doclet: :edoc_doclet_chunks, layout: :edoc_layout_chunks]
      apply(:edoc, :files, [files, options ++ chunks])
    end

    :ok
  end

  # Applications of Erlang's that Mix takes off the code path from 1.15 on, unless asked.
  defp edoc? do
    if function_exported?(Mix, :ensure_application!, 1),
      do: for(application <- [:edoc, :xmerl], do: apply(Mix, :ensure_application!, [application]))

    Enum.all?([:edoc, :xmerl_scan], &Code.ensure_loaded?/1)
  rescue
    Mix.Error -> false
  end
end

defmodule Mix.Tasks.Compile.OffheapNative do
  @moduledoc false
  # Calls make, which builds the library and the port program into the build's own priv folder. It
  # stands here, not in lib/, because it must exist before the project's own modules are compiled; no
  # package from hex is needed for it.
  use Mix.Task.Compiler

  @outputs ["offheap_nif.so", "offheap_port"]

  @impl true
  def run(_args) do
    app_path = Mix.Project.app_path()
    # Mix links the build's priv to the source's; the output must not reach the source tree.
    priv = Path.join(app_path, "priv")
    if match?({:ok, _}, File.read_link(priv)), do: File.rm!(priv)
    File.mkdir_p!(priv)

    env = [
      {"MIX_APP_PATH", app_path},
      {"ERTS_INCLUDE_DIR", env_or("ERTS_INCLUDE_DIR", [:code.root_dir(), "usr", "include"])},
      {"ERL_EI_INCLUDE_DIR", env_or("ERL_EI_INCLUDE_DIR", ei_path("include"))},
      {"ERL_EI_LIBDIR", env_or("ERL_EI_LIBDIR", ei_path("lib"))}
    ]

    make = System.find_executable("gmake") || System.find_executable("make")
    if make == nil, do: Mix.raise("offheap: make not found: install make and a C compiler")

    jobs = "-j#{System.schedulers_online()}"

    case System.cmd(make, ["--silent", jobs, "native"],
           cd: __DIR__,
           env: env,
           into: IO.stream(:stdio, :line),
           stderr_to_stdout: true
         ) do
      {_, 0} -> {:ok, []}
      {_, _} -> Mix.raise("offheap: the native build failed; its last lines stand above")
    end
  end

  @impl true
  def clean do
    for file <- @outputs do
      File.rm(Path.join([Mix.Project.app_path(), "priv", file]))
    end

    File.rm_rf(Path.join(Mix.Project.app_path(), "obj"))
    :ok
  end

  defp ei_path(dir) do
    case :code.lib_dir(:erl_interface) do
      {:error, :bad_name} -> [:code.root_dir(), "usr", dir]
      lib -> [lib, dir]
    end
  end

  defp env_or(name, path), do: System.get_env(name) || path |> Path.join() |> to_string()
end
