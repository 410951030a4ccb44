# The registry of scenarios, the runner and the pages of bench/: what they show, not how fast anything is.
{:ok, _modules, _warnings} =
  __DIR__
  |> Path.join("../bench/lib/*.ex")
  |> Path.wildcard()
  |> Kernel.ParallelCompiler.compile()

defmodule Offheap.BenchTest do
  use ExUnit.Case, async: true
  use Offheap.Bench

  alias Offheap.Bench
  alias Offheap.Bench.{LinePage, Number, RatioPage, Runner}

  setup_all do
    %{scenarios: Bench.scenarios()}
  end

  @machine %{
    cpu: "A <CPU> & more",
    architecture: "x86_64-pc-linux-gnu",
    cores: 2,
    schedulers: 2,
    otp: "25.2.3",
    emulator: "jit",
    elixir: "1.14.0",
    offheap: "0.1.0",
    date: "2026-11-24"
  }
  @settings %{rounds: 9, round_ms: 40, quick: false}

  defp result(changes) do
    Map.merge(
      %{
        component: "store",
        name: "get",
        peer: ":ets",
        parallel: 1,
        unit: "ns",
        note: nil,
        floor: false,
        ours: 20.0,
        theirs: 50.0,
        ratio: 2.5,
        quartiles: {2.25, 2.75},
        rounds: 9,
        ours_footprint: %{reductions: 1.5, words: 12.0},
        theirs_footprint: %{reductions: 2.0, words: 14.0}
      },
      changes
    )
  end

  defp page(results, settings \\ @settings) do
    @machine |> RatioPage.render(settings, results) |> IO.iodata_to_binary()
  end

  # The text of a page's only row, without tags.
  defp row(page) do
    [_, row] = Regex.run(~r/(<div class="row .*?<\/div><\/div>)\n/s, page)
    row
  end

  test "what the guides name to measure is there", %{scenarios: scenarios} do
    titles = Enum.map(scenarios, &Bench.title/1)

    for path <- __DIR__ |> Path.join("../guides/*.md") |> Path.wildcard(),
        text = path |> File.read!() |> String.replace(~r/\s+/, " "),
        [_ | found] <- Regex.scan(~r/--only (?:"([^"]+)"|([\w.]+))/, text),
        only = List.last(found),
        only != "TITLE" do
      assert Enum.any?(titles, &String.contains?(&1, only)), "#{path} names #{inspect(only)}"
    end
  end

  describe "the registry" do
    test "has every component, and of each a row in the quick run", %{scenarios: scenarios} do
      components = ~w(atomics counters histogram rate_limiter concurrency_limiter bitset
                      bloom_filter hyperloglog id_generator pool buffer file hash binary ports jobs
                      store) ++ ["store set", "store bag", "store duplicate bag"]

      for component <- components do
        assert Enum.any?(scenarios, &(&1.component == component)), component
        assert Enum.any?(scenarios, &(&1.component == component and &1.quick)), component
      end

      assert Enum.any?(scenarios, &(&1.name =~ "ordered set"))
    end

    test "expands a scenario for all counts of processes", %{scenarios: scenarios} do
      counts = Bench.parallels()
      assert hd(counts) == 1
      assert List.last(counts) == System.schedulers_online()

      gets =
        for %{operation: "get" <> _, input: "1,000 integers", peer: ":ets"} = s <- scenarios,
            do: s

      assert Enum.map(gets, & &1.parallel) == counts
      assert [_one_setup] = gets |> Enum.map(& &1.fixture) |> Enum.uniq()
      assert hd(gets).name == "get, 1,000 integers"
      if 2 in counts, do: assert(Enum.at(gets, 1).name == "get, 1,000 integers, 2 processes")
    end

    test "the quick run is a part of the whole", %{scenarios: all} do
      quick = Bench.quick(all)
      assert length(quick) in 1..div(length(all), 2)
      assert Enum.all?(quick, & &1.quick)
    end

    @tag :tmp_dir
    test "refuses what lacks a key, has an unknown one or is interpreted", %{tmp_dir: dir} do
      good = "component: \"c\", name: \"n\", peer: \"p\", ours: &:lists.seq/2"
      theirs = ", theirs: &:lists.seq/2"

      for {text, message} <- [
            {"component: \"c\"", ~r/without name/},
            {good <> theirs <> ", colour: 1", ~r/unknown key :colour/},
            {good <> ", theirs: fn _, _ -> 1 end", ~r/interpreted/}
          ] do
        path = Path.join(dir, "scenario.exs")
        File.write!(path, "[%{#{text}}]")
        assert_raise ArgumentError, message, fn -> Bench.load(path) end
      end

      path = Path.join(dir, "scenario.exs")
      File.write!(path, "[%{#{good <> theirs}, input: \"few\"}]")

      assert [%{name: "n, few", operation: "n", parallel: 1}] = Bench.load(path)
    end
  end

  describe "the runner" do
    # 2 words of list an operation.
    def cells(_state, n), do: n |> :lists.seq(1, -1) |> length()
    defloop(nothing(_state, _i), do: :ok)

    # 2 * size words an operation, which are garbage after it.
    defloop(list(size, _i), do: true = is_list(:lists.duplicate(size, [])))

    defp scenario(changes) do
      Map.merge(
        %{
          component: "c",
          name: "n",
          peer: "p",
          parallel: 1,
          unit: "ns",
          note: "a note",
          floor: false,
          kind: :loop,
          fixture: nil,
          setup: nil,
          teardown: nil
        },
        changes
      )
    end

    test "measures both sides, and what they take of their process" do
      scenario =
        scenario(%{parallel: 2, ours: &__MODULE__.cells/2, theirs: &__MODULE__.nothing/2})

      test = self()
      settings = %{rounds: 3, round_ms: 1}
      [result] = Runner.run([scenario], settings, &send(test, {:result, &1}))
      assert_received {:result, ^result}

      assert %{component: "c", name: "n", peer: "p", parallel: 2, note: "a note", rounds: 3} =
               result

      {low, high} = result.quartiles
      assert low <= result.ratio and result.ratio <= high
      assert_in_delta result.ours_footprint.words, 2, 0.1
      assert_in_delta result.theirs_footprint.words, 0, 0.1
      assert_in_delta result.theirs_footprint.reductions, 1, 0.1
    end

    # The room is 4 million words.
    test "takes the footprint of as many operations as fit, or of none" do
      list = fn size -> {&list/2, size, 1} end
      assert_in_delta Runner.footprint(list.(500), 1000).words, 1000, 1

      for n <- [1, 2, 9],
          do: assert_in_delta(Runner.footprint(list.(1_500_000), n).words, 3.0e6, 100)

      assert Runner.footprint(list.(3_000_000), 5) == nil
    end
  end

  describe "the page of ratios" do
    test "has each row with its ratio, spread and times, in its chart and in its table" do
      results = [
        result(%{}),
        result(%{name: "put", ratio: 0.81, quartiles: {0.8, 0.82}, note: "a note"}),
        result(%{component: "pool", name: "lease", ratio: 1.01, quartiles: {0.9, 1.1}})
      ]

      page = page(results)
      assert page =~ "3 rows: better in 1, even in 1, worse in 1"

      for text <- ["get", "put", "lease", "2.50", "2.25–2.75", "0.81", "0.80–0.82", "1.01"] do
        assert length(String.split(page, ">#{text}<")) >= 2, text
      end

      assert page =~ "20.0 ns against 50.0 ns, :ets"
      assert page =~ "<th scope=\"row\" class=\"text\">put (a note)</th>"
      # Reductions and heap words of both sides.
      assert page =~ "<td>1.50</td><td>2.00</td><td>12.0</td><td>14.0</td>"
      assert [_, _, _] = String.split(page, "<section ")
      assert page =~ "<a href=\"#pool\">pool</a>" and page =~ "<section id=\"pool\">"
    end

    test "gathers a component's rows that do not follow each other" do
      page = page([result(%{}), result(%{component: "pool"}), result(%{name: "put"})])
      assert [_, _, _] = String.split(page, "<section ")
      assert page =~ "store: 2 rows"
    end

    test "shows a losing row as large as any, marked in words too" do
      losing = row(page([result(%{ratio: 0.5, quartiles: {0.4, 0.6}})]))
      assert losing =~ "class=\"row slower\""
      assert losing =~ "the peer is better"
      # From the ratio's place up to 1, in the middle: log(1/2) / log(10) is -0.301.
      assert losing =~ "class=\"bar\" style=\"left:34.95%;width:15.05%\""
      winning = row(page([result(%{ratio: 2.0, quartiles: {1.9, 2.1}})]))
      assert winning =~ "class=\"row faster\""
      assert winning =~ "class=\"bar\" style=\"left:50.0%;width:15.05%\""
      refute winning =~ "the peer is better"
    end

    test "cuts what goes beyond the scale, with an arrow and the number" do
      high = row(page([result(%{ratio: 12_345.6, quartiles: {11.0e3, 13.0e3}})]))
      assert high =~ "cut high" and high =~ "<b>12,346</b>" and high =~ "left:50.0%;width:50.0%"
      low = row(page([result(%{ratio: 0.03, quartiles: {0.02, 0.04}})]))
      assert low =~ "cut low" and low =~ "<b>0.03</b>" and low =~ "left:0.0%;width:50.0%"
      refute row(page([result(%{})])) =~ "cut"
    end

    test "does not count a row beside the floor as lost" do
      page = page([result(%{floor: true, ratio: 0.8, quartiles: {0.79, 0.81}})])
      assert page =~ "worse in 0, beside the floor of a call in 1"
      refute row(page) =~ "slower"
      assert row(page) =~ "beside the floor"
    end

    test "escapes every text" do
      text = "<script>alert('&\"')</script>"
      page = page([result(%{component: text, name: text, peer: text, note: text})])
      refute page =~ "<script"
      assert page =~ "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"
      assert page =~ "A &lt;CPU&gt; &amp; more"
    end

    test "names the machine, and needs nothing from elsewhere" do
      page = page([result(%{})])

      for text <- [
            "OTP 25.2.3",
            "Elixir 1.14.0",
            "Offheap 0.1.0",
            "2 cores",
            "2026-11-24",
            "9 pairs"
          ],
          do: assert(page =~ text)

      refute page =~ ~r/<script|<link|<img|<iframe|https?:|url\(|@import|src=/
      assert page =~ "<html lang=\"en\">" and page =~ "name=\"viewport\""
      assert page =~ "prefers-color-scheme: dark"
      assert page =~ "role=\"img\" aria-label=\"Bars of ratios. store: 1 rows"
    end

    test "says that a quick run is one" do
      assert page([result(%{})], %{@settings | quick: true}) =~ "A quick run"
      refute page([result(%{})]) =~ "A quick run"
    end
  end

  describe "the page of lines" do
    defp point(side, entries, ns, changes \\ %{}) do
      Map.merge(
        %{kind: "set", operation: "get", processes: 1, side: side, entries: entries, ns: ns},
        changes
      )
    end

    defp lines(points),
      do: @machine |> LinePage.render(@settings, points) |> IO.iodata_to_binary()

    @points [{"Offheap", 1000, 50.0}, {"ETS", 1000, 60.0}, {"Offheap", 100_000, 400.0}] ++
              [{"ETS", 100_000, 900.0}]

    test "has a chart an operation and count of processes, a line a side, and a table" do
      points =
        for {side, entries, ns} <- @points, processes <- [1, 2], kind <- ["set", "bag"] do
          point(side, entries, ns, %{processes: processes, kind: kind})
        end

      page = lines(points)
      charts = Regex.scan(~r/<figure>.*?<\/figure>/s, page)
      assert length(charts) == 4

      for [chart] <- charts do
        assert length(Regex.scan(~r/class="line"/, chart)) == 2
        assert length(Regex.scan(~r/class="mark"/, chart)) == 4
      end

      assert page =~ "<figcaption>get, 2 processes</figcaption>"

      assert page =~
               "Offheap from 50.0 ns at 1,000 entries to 400 ns at 100,000; ETS from 60.0 ns"

      assert page =~ "<td>100,000</td><td>400 ns</td><td>900 ns</td>"
      assert length(String.split(page, "<section>")) == 3
    end

    test "has the larger further to the right and the slower higher" do
      page = lines(for {side, entries, ns} <- @points, do: point(side, entries, ns))

      [offheap, ets] =
        for [_, path] <- Regex.scan(~r/<g class="\w+"><path class="line" d="M([^"]+)"/, page) do
          for place <- String.split(path, "L"),
              do: place |> String.split(" ") |> Enum.map(&String.to_float/1)
        end

      assert [[left, y1], [right, y2]] = offheap
      assert [[^left, y3], [^right, y4]] = ets
      assert left < right and y1 > y2 and y1 > y3 and y2 > y4
    end

    test "escapes every text, and needs nothing from elsewhere" do
      text = "<script>'\"&"

      page =
        lines([point(text, 1000, 5.0, %{kind: text, operation: text}), point("ETS", 1000, 6.0)])

      assert page =~ "&lt;script&gt;&#39;&quot;&amp;"
      refute page =~ ~r/<script|<link|<img|https?:|url\(|@import|src=/
    end
  end

  describe "figures" do
    test "have three digits that mean something, and the unit that fits" do
      for {x, unit, text} <- [
            {0.123, "ns", "0.12 ns"},
            {12.34, "ns", "12.3 ns"},
            {1234.5, "ns", "1,235 ns"},
            {12_345, "ns", "12.3 us"},
            {12_345_678, "ns", "12.3 ms"},
            {1.5e9, "ns", "1.50 s"},
            {1_234_567, "B", "1,234,567 B"}
          ],
          do: assert(Number.quantity(x, unit) == text)
    end
  end
end
