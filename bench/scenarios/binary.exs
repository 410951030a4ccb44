# Offheap.Binary.compact against what OTP's user writes: :binary.referenced_byte_size, the same rule, and
# :binary.copy. The frozen rows have no peer that does the same: OTP cannot see what such a slice pins, so
# the peer looks and leaves it. The floor is the look alone.
defmodule Offheap.Bench.Scenarios.Binary do
  use Offheap.Bench
  alias Offheap.{Binary, Buffer, Pool}

  defmodule Otp do
    def compact(binary) do
      size = byte_size(binary)
      bytes = :binary.referenced_byte_size(binary)
      if bytes > 2 * size and bytes - size >= 1024, do: :binary.copy(binary), else: binary
    end
  end

  defloop(compact(binary, _i), do: Binary.compact(binary))
  defloop(otp(binary, _i), do: Otp.compact(binary))
  defloop(look(binary, _i), do: :binary.referenced_byte_size(binary))
  defloop(compact_term(term, _i), do: Binary.compact_term(term))
  defloop(term_copy(term, _i), do: :erlang.binary_to_term(:erlang.term_to_binary(term)))

  @mib 1_048_576

  # The slice has 65 bytes: one of 64 is copied by the emulator as it is cut.
  defp slice, do: binary_part(:binary.copy("x", @mib), 1000, 65)

  defp frozen(others) do
    pool = Pool.new(max_bytes: :infinity)
    kept = for _ <- 1..others//1, do: freeze(pool, 65_537)
    {kept, binary_part(freeze(pool, @mib), 1000, 65)}
  end

  defp freeze(pool, bytes) do
    {:ok, buffer} = Buffer.lease(pool, bytes, :binary.copy("x", bytes))
    frozen = Buffer.freeze(buffer)
    Buffer.release(buffer)
    frozen
  end

  def frozen_compact({_kept, slice}, n), do: compact(slice, n)
  def frozen_look({_kept, slice}, n), do: look(slice, n)

  defp term(slice), do: Map.new(1..20, &{&1, {:field, slice, [1, 2.0, :three]}})

  defp row(name, peer, ours, theirs, state) do
    %{
      component: "binary",
      quick: String.starts_with?(name, "compact, 65 B of 1 MiB"),
      floor: String.ends_with?(peer, "(floor)"),
      name: name,
      peer: peer,
      ours: ours,
      theirs: theirs,
      setup: fn ->
        state = state.()
        {state, state}
      end
    }
  end

  def scenarios do
    otp = "referenced_byte_size, binary:copy"

    [
      row("compact, 65 B of 1 MiB", otp, &__MODULE__.compact/2, &__MODULE__.otp/2, fn ->
        slice()
      end),
      row("compact, nothing to do, 1 MiB", otp, &__MODULE__.compact/2, &__MODULE__.otp/2, fn ->
        :binary.copy("x", @mib)
      end),
      row("compact, nothing to do, 20 B", otp, &__MODULE__.compact/2, &__MODULE__.otp/2, fn ->
        :binary.copy("x", 20)
      end)
    ] ++
      for others <- [0, 1000] do
        row(
          "compact, 65 B of a frozen MiB beside #{others} others",
          "referenced_byte_size alone (floor)",
          &__MODULE__.frozen_compact/2,
          &__MODULE__.frozen_look/2,
          fn -> frozen(others) end
        )
      end ++
      [
        row(
          "compact_term, a map with 20 slices",
          "binary_to_term(term_to_binary)",
          &__MODULE__.compact_term/2,
          &__MODULE__.term_copy/2,
          fn -> term(slice()) end
        ),
        row(
          "compact_term, a map with nothing to copy",
          "binary_to_term(term_to_binary)",
          &__MODULE__.compact_term/2,
          &__MODULE__.term_copy/2,
          fn -> term("short") end
        )
      ]
  end
end

Offheap.Bench.Scenarios.Binary.scenarios()
