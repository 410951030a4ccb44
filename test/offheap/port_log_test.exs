defmodule Offheap.PortLogTest do
  # Not async: it reads the log.
  use ExUnit.Case, async: false
  import ExUnit.CaptureLog
  alias Offheap.PortPool

  test "a worker's death is logged with its pool, its signal and what to do" do
    log =
      capture_log(fn ->
        {:ok, pool} = PortPool.start_link(name: :logged_pool, size: 1, args: ["--test-jobs"])

        assert {:error, {:worker_died, status}} = PortPool.call(pool, :crash, [])
        send(self(), {:status, status})
        # What is logged comes from the process that owns the worker.
        assert [%{restarts: 1}] = PortPool.info(pool).workers
        PortPool.stop(pool)
      end)

    assert_received {:status, status}

    assert log =~
             "worker 1 of :logged_pool died (#{status}: signal #{status - 128}). Requests in flight: 1;"

    assert log =~ "run that job under a sanitizer"
  end

  test "each status has its words" do
    words = [
      {4, "longer than max_frame"},
      {6, "Raise the pool's memory limit"},
      {7, "of the same version as Offheap"},
      {137, "the pool's cpu limit"},
      {139, "signal 11"},
      {:killed, "grace_ms be longer"},
      {:protocol, "sent what is no reply"},
      {:epipe, "standard error stands in this log"},
      {:anything, "its program ended"}
    ]

    for {status, text} <- words do
      log = capture_log(fn -> :offheap_port_log.died(self(), 3, status, 0) end)
      assert log =~ "worker 3 of #{inspect(self())} died"
      assert log =~ text
    end
  end

  test "a program that cannot be started is named" do
    log =
      capture_log(fn ->
        :offheap_port_log.not_started(self(), 1, ~c"/no/such/program", :enoent)
      end)

    assert log =~ "cannot be started (:enoent)"
    assert log =~ "/no/such/program"
  end

  test "a process says what it is where the emulator has labels" do
    assert :ok = :offheap_sup.label({:some, :label})

    # No function of that name before OTP 27: then there is nothing to see.
    if function_exported?(:proc_lib, :get_label, 1),
      do: assert(apply(:proc_lib, :get_label, [self()]) == {:some, :label})
  end
end
