defmodule Mix.Tasks.Offheap.Top do
  @shortdoc "Shows live what a node holds in stores, pools and lanes"

  @moduledoc """
  Shows live what Offheap holds in a node that runs: stores, pools, old leases, the lanes of jobs.

      mix offheap.top --node app@host --cookie SECRET
      mix offheap.top --node app@host.example.org --interval 5 --older-than 10

  Ends with `q` or Ctrl-C. The node needs Offheap, but neither Mix nor Elixir; this one must have the same version of
  Offheap. Without `--node` it shows itself, which is of use for a look at the table alone.

  A task runs in a VM of its own, so it connects to the node as a hidden one that nobody can connect to. Its
  name is given by the node; `--sname` or `--name` sets another.

  ## Options

    * `--node` - the node to look at
    * `--cookie` - default: that of `~/.erlang.cookie`
    * `--interval` - seconds between two looks; default 1. A look takes as long as `Offheap.info/0` and
      `Offheap.leases/0`: some 0.3 ms of the node for a thousand leases and a hundred thousand objects
    * `--older-than` - seconds; leases of at least this age are listed. Default 60
    * `--once` - prints the table once, as plain text, and ends. So does a run without a terminal
    * `--sname`, `--name` - this node's own name
  """
  use Mix.Task

  @switches [
    node: :string,
    cookie: :string,
    interval: :float,
    older_than: :float,
    once: :boolean,
    sname: :string,
    name: :string
  ]

  @ctrl_c <<3>>

  @impl true
  def run(args) do
    {options, rest} = OptionParser.parse!(args, strict: @switches)
    if rest != [], do: Mix.raise("offheap.top takes no arguments, only options: #{inspect(rest)}")
    Mix.Task.run("app.config")

    look = [node: connect(options), older_than_ms: milliseconds(options, :older_than, 60)]
    interval_ms = max(milliseconds(options, :interval, 1), 100)

    case !options[:once] && terminal() do
      false -> look |> snapshot() |> Offheap.Top.render() |> IO.write()
      settings -> live(look, interval_ms, settings)
    end
  end

  defp milliseconds(options, name, default) do
    case round(Keyword.get(options, name, default) * 1000) do
      value when value >= 0 -> value
      _ -> Mix.raise("--#{String.replace("#{name}", "_", "-")} must not be below 0")
    end
  end

  # --- The node ---

  defp connect(options) do
    case options[:node] do
      nil ->
        {:ok, _} = Application.ensure_all_started(:offheap)
        node()

      name ->
        node = String.to_atom(name)
        start_distribution(name, options)
        if cookie = options[:cookie], do: Node.set_cookie(node, String.to_atom(cookie))

        Node.connect(node) == true ||
          Mix.raise(
            "cannot connect to #{name}: is it running, is the cookie right, does its name " <>
              "have the host as the node itself writes it?"
          )

        node
    end
  end

  defp start_distribution(target, options) do
    long? = options[:name] != nil or (options[:sname] == nil and target =~ ~r/@.*\./)
    own = options[:name] || options[:sname]

    unless Node.alive?() do
      case :net_kernel.start(if(own, do: String.to_atom(own), else: :undefined), %{
             name_domain: if(long?, do: :longnames, else: :shortnames),
             dist_listen: false,
             hidden: true
           }) do
        {:ok, _} -> :ok
        {:error, reason} -> Mix.raise("cannot start distribution: #{inspect(reason)}")
      end
    end
  end

  defp snapshot(look) do
    Offheap.Top.snapshot(look)
  rescue
    error in [UndefinedFunctionError] ->
      Mix.raise(
        "#{look[:node]} has no Offheap, or another version of it: #{Exception.message(error)}"
      )

    error in [ErlangError] ->
      Mix.raise("#{look[:node]} does not answer: #{inspect(error.original)}")
  end

  # --- The terminal ---

  # The settings to go back to, or false if there is no terminal.
  defp terminal do
    case stty("-g") do
      {settings, 0} -> String.trim(settings)
      _ -> false
    end
  end

  # A program that Erlang starts has no terminal of its own, so it is told which one.
  defp stty(args) do
    System.cmd("sh", ["-c", "stty #{args} < \"$0\"", device()], stderr_to_stdout: true)
  end

  defp device do
    case File.read_link("/proc/self/fd/0") do
      {:ok, path} -> path
      {:error, _} -> "/dev/" <> of_process(System.find_executable("ps"))
    end
  end

  defp of_process(nil), do: "null"

  defp of_process(ps) do
    {name, _status} = System.cmd(ps, ["-o", "tty=", "-p", System.pid()])
    String.trim(name)
  end

  # Another screen, without a cursor; keys as they come, not shown, and Ctrl-C among them: the emulator's
  # menu would end this without going back.
  defp live(look, interval_ms, settings) do
    {_, 0} = stty("-icanon -echo -isig")
    IO.write("\e[?1049h\e[?25l")
    parent = self()
    spawn_link(fn -> keys(parent) end)

    try do
      frames(look, interval_ms, nil)
    after
      IO.write("\e[?25h\e[?1049l")
      stty(settings)
    end
  end

  defp keys(parent) do
    case IO.getn("", 1) do
      key when is_binary(key) ->
        send(parent, {:key, key})
        keys(parent)

      _ ->
        send(parent, {:key, "q"})
    end
  end

  defp frames(look, interval_ms, previous) do
    snapshot = snapshot(look)
    {rows, columns} = size()

    text =
      snapshot
      |> Offheap.Top.render(columns: columns, rows: rows - 1, previous: previous)
      |> IO.iodata_to_binary()
      |> String.replace("\n", "\e[K\r\n")

    IO.write(["\e[H", text, "\e[J"])
    if wait(interval_ms) == :more, do: frames(look, interval_ms, snapshot)
  end

  defp wait(interval_ms) do
    receive do
      {:key, key} when key in ["q", "Q", @ctrl_c] -> :quit
      {:key, _} -> :more
    after
      interval_ms -> :more
    end
  end

  defp size do
    with {text, 0} <- stty("size"),
         [rows, columns] <- String.split(text),
         {rows, columns} when rows > 1 and columns > 0 <-
           {String.to_integer(rows), String.to_integer(columns)} do
      {rows, columns}
    else
      _ -> {24, 80}
    end
  end
end
