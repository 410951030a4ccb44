defmodule Offheap.PortChaosTest do
  # Counts the VM's processes and descriptors: not beside other tests.
  use ExUnit.Case, async: false

  alias Offheap.PortChaos

  # A hundred thousand: mix run bench/port_chaos.exs
  test "each request has one outcome, and nothing is left, whoever dies" do
    counted = PortChaos.run(requests: 5000)

    for what <- [:ok, :timeout, :cancelled, :worker_died, :callers_killed, :workers_killed] do
      assert counted[what] > 0, "no #{what}: #{inspect(counted)}"
    end
  end

  test "kill -9 of a VM that is busy leaves no worker" do
    assert PortChaos.kill_vm() >= 0
  end
end
