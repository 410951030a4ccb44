defmodule Offheap.Bench.Machine do
  @moduledoc "What the figures were measured on."

  def describe do
    %{
      cpu: cpu(),
      architecture: architecture(),
      cores: :erlang.system_info(:logical_processors_available) |> number(),
      schedulers: System.schedulers_online(),
      otp: otp(),
      emulator: to_string(:erlang.system_info(:emu_flavor)),
      elixir: System.version(),
      offheap: to_string(Application.spec(:offheap, :vsn)),
      date: Date.to_iso8601(Date.utc_today())
    }
  end

  @doc "A short name of the machine and release, for a file of results."
  def slug do
    arch = architecture() |> String.split("-") |> hd()
    "otp#{System.otp_release()}_#{arch}_#{System.schedulers_online()}_schedulers"
  end

  defp architecture, do: to_string(:erlang.system_info(:system_architecture))

  defp number(n) when is_integer(n), do: n
  defp number(_), do: System.schedulers()

  defp otp do
    file = Path.join([:code.root_dir(), "releases", System.otp_release(), "OTP_VERSION"])

    case File.read(file) do
      {:ok, text} -> String.trim(text)
      {:error, _} -> System.otp_release()
    end
  end

  defp cpu do
    with {:ok, text} <- File.read("/proc/cpuinfo"),
         [_, name] <- Regex.run(~r/^model name\s*:\s*(.+)$/m, text) do
      name
    else
      _ -> "unknown"
    end
  end
end
