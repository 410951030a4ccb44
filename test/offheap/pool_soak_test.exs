defmodule Offheap.PoolSoakTest do
  use ExUnit.Case, async: true

  alias Offheap.PoolSoak

  # The same for minutes: mix run bench/pool_soak.exs --minutes 10
  test "no byte is lost, counted twice or changed, whoever is killed" do
    counted = PoolSoak.run(duration_ms: 2000, max_bytes: 8 * 1024 * 1024)

    for what <- [:leases, :refused, :frozen, :split, :dropped, :given, :killed, :waited] do
      assert counted[what] > 0, "nothing #{what}: #{inspect(counted)}"
    end
  end
end
