defmodule Offheap.StoreExportsTest do
  @moduledoc "What the module ets offers, in any OTP from 25 on, the store offers."
  use ExUnit.Case, async: true

  # Functions that came after OTP 25.
  @newer [
    first_lookup: 1,
    last_lookup: 1,
    lookup_element: 4,
    next_lookup: 2,
    prev_lookup: 2,
    update_element: 4
  ]

  # Undocumented, and steps of other functions of ets: of delete_all_objects/1, all/0, select_delete/2
  # and of whoever runs a compiled match specification and wants its results reversed.
  @internal [
    internal_delete_all: 2,
    internal_request_all: 0,
    internal_select_delete: 2,
    match_spec_run_r: 3
  ]

  # The Elixir module follows Map and Enum where these have the function under a name of their own, and
  # leaves match specifications as such, and looking by hand in a shell, to the Erlang module.
  @elsewhere_in_elixir [
    member: {:has_key?, 2},
    tab2list: {:to_list, 1},
    scan: {:stream, 1},
    match: {:select, 1},
    match_object: {:select, 1},
    select_reverse: {:select, 2}
  ]
  @erlang_only [
    :fun2ms,
    :i,
    :init_table,
    :is_compiled_ms,
    :match_spec_compile,
    :match_spec_run,
    :test_ms
  ]

  defp exports(module), do: module.module_info(:exports) -- [module_info: 0, module_info: 1]

  test "offheap_store has every function of ets, this OTP's and newer ones'" do
    known = exports(:ets) ++ @newer
    assert Enum.uniq(known) -- (exports(:offheap_store) ++ @internal) == []
  end

  test "every function of ets stands in a test of the store" do
    files =
      Path.wildcard("test/offheap/store_*_test.exs") -- ["test/offheap/store_exports_test.exs"]

    texts = for file <- ["test/support/store_oracle.ex" | files], do: File.read!(file)

    for {name, _} <- exports(:ets) -- @internal do
      assert Enum.any?(texts, &(&1 =~ ~r/[:.]#{name}\b/)), "no test of #{name}"
    end
  end

  test "Offheap.Store has every function of offheap_store, or its like under Elixir's name" do
    ours = exports(Offheap.Store)
    missing = exports(:offheap_store) -- ours
    for like <- Keyword.values(@elsewhere_in_elixir), do: assert(like in ours)
    named = Keyword.keys(@elsewhere_in_elixir) ++ @erlang_only
    assert for({name, arity} <- missing, name not in named, do: {name, arity}) == []
  end
end
