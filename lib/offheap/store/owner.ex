defmodule Offheap.Store.Owner do
  @moduledoc false
  # Owns a table: Offheap.Store.start_link/1.
  use GenServer

  @impl true
  def init(options) do
    {name, options} = Keyword.pop!(options, :name)
    {type, options} = Keyword.pop(options, :type, :set)
    {protection, options} = Keyword.pop(options, :protection, :public)
    {more, options} = Keyword.pop(options, :options, [])
    if options != [], do: raise(ArgumentError, "unknown options: #{inspect(options)}")
    :offheap_sup.label({__MODULE__, name})
    {:ok, :offheap_store.new(name, [:named_table, type, protection | more])}
  end

  # A table that somebody gives to this process, or that it inherits, it owns as well.
  @impl true
  def handle_info(_message, name), do: {:noreply, name}
end
