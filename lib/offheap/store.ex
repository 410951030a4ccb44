defmodule Offheap.Store do
  @moduledoc """
  Tables of Erlang terms outside the process heaps, with ETS's names and semantics and reads that take
  no lock.

  A store is a set: one object a key, keys compared by `===`; a bag, with several objects a key; or an
  ordered set, whose keys are compared by `==` and kept in order (`first/1`, `next/2`, `range/3`,
  `rank/2`). Objects are tuples; the element at
  `:keypos` (the first, unless said otherwise) is the key. `put/3`, `get/3` and `fetch/2` hide the tuple
  for plain key-value use.

      iex> store = Offheap.Store.new(:users)
      iex> Offheap.Store.put(store, "ada", %{born: 1815})
      :ok
      iex> Offheap.Store.fetch(store, "ada")
      {:ok, %{born: 1815}}
      iex> Offheap.Store.insert(store, [{:visits, 0}, {:limit, 10, :per_day}])
      true
      iex> Offheap.Store.update_counter(store, :visits, 1)
      1
      iex> Offheap.Store.lookup(store, :limit)
      [{:limit, 10, :per_day}]

  The names of `Map` are here for tables of pairs (`fetch!/2`, `put_new/3`, `update/4`, `pop/2`, `keys/1`
  and so on), those of `:ets` for all tables. Where a function of `Map` returns the map, its namesake here
  changes the table and returns `:ok`, or what there is to say.

  ## In a supervision tree

      children = [
        {Offheap.Store, name: :sessions, protection: :public},
        ...
      ]

  ## What holds

    * Reads (`get/3`, `fetch/2`, `lookup/2`, `lookup_element/3`, `member?/2`) take no lock and never wait
      for a writer.
    * A write locks the part of the table its key belongs to, some hundred neighbours, for about a
      microsecond. Each write is atomic and isolated; a list is inserted as one change.
    * A table grows and shrinks in steps of some ten microseconds, whatever its size.
    * Terms beyond about 64 KB and lists beyond 500 objects are handled on a dirty scheduler, so that no
      call holds a normal one.
    * A table belongs to the process that made it, can be given away (`give_away/3`) or inherited
      (`{:heir, pid, data}`), and is deleted when its owner ends without an heir, as in ETS. The notice of
      the owner's end may come a little later than a monitor's `:DOWN`. `start_link/1` starts a process
      that does nothing but own a table.
    * A table is a reference, or with `:named_table` its name, and every function takes both. Without a
      name it also goes when nobody holds its reference any more. Only a table that holds its own
      reference does not; delete it.
    * `ArgumentError` is raised for a wrong or deleted table, a missing right, or an object that is not a
      tuple of at least `:keypos` elements.

  > #### Where ETS is faster {: .info}
  >
  > Whole reads of values beyond about 50 words: ETS copies terms faster than any library can. Read an
  > element (`lookup_element/3`) instead of the whole object.
  """

  @typedoc "A table: its reference, or the name of a named one."
  @type t :: :offheap_store.table()

  @typedoc "A table's reference."
  @type tid :: :offheap_store.tid()
  @type key :: term()
  @type object :: tuple()

  @typedoc "Adds to an element; past the threshold the element becomes `set_value`."
  @type update_op ::
          {position :: pos_integer(), increment :: integer()}
          | {position :: pos_integer(), increment :: integer(), threshold :: integer(),
             set_value :: integer()}

  # --- Life ---

  @doc """
  Makes an empty table that belongs to the caller. Returns its name if it is a `:named_table`, else its
  reference.

  ## Options

    * `:public`, `:protected` (default) or `:private` - who else may write, read only, or neither
    * `:named_table` - the table goes by its name, and needs no reference. `ArgumentError` if the name is
      taken
    * `{:keypos, position}` - the element of an object that is its key. Default 1
    * `{:heir, pid, data}` - who becomes the owner when the owner ends, and gets the message
      `{:"ETS-TRANSFER", table, from_pid, data}`; `{:heir, :none}` is the default
    * `:set` (default), `:ordered_set`, `:bag` or `:duplicate_bag` - a bag has several objects a key, each
      once, a duplicate bag equal ones, too; they stay in the order of their insertion
    * `:compressed`, `{:read_concurrency, _}`, `{:write_concurrency, _}`, `{:decentralized_counters, _}` -
      taken as ETS takes them; every table reads and writes concurrently

  ## Examples

      iex> store = Offheap.Store.new(:points, [:public, keypos: 2])
      iex> Offheap.Store.insert(store, {:point, "a", 1, 2})
      true
      iex> Offheap.Store.lookup_element(store, "a", 4)
      2

      iex> Offheap.Store.new(:colours, [:named_table])
      :colours
      iex> Offheap.Store.put(:colours, :sky, "blue")
      :ok
  """
  @spec new(atom(), [:offheap_store.option()]) :: t()
  def new(name, options \\ []), do: :offheap_store.new(name, options)

  @doc """
  Starts a process that makes a named table and owns it, linked to the caller: for a supervisor.

  The process does nothing else, so it lives as long as its supervisor wants. When it ends, so does the
  table, unless it has an heir; when it is started again, the table is made anew, empty.

  ## Options

    * `:name` - the table's name, required
    * `:type` - the table's type, default `:set`
    * `:protection` - default `:public`, since the process that owns the table does not write to it
    * `:options` - a list of further options as for `new/2`

  ## Examples

      iex> {:ok, pid} = Offheap.Store.start_link(name: :sessions)
      iex> Offheap.Store.put(:sessions, 1, :ada)
      :ok
      iex> Offheap.Store.info(:sessions, :owner) == pid
      true
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(Offheap.Store.Owner, options)

  @doc """
  The specification of a child that owns a table: see `start_link/1`.

      iex> Offheap.Store.child_spec(name: :sessions).id
      {Offheap.Store, :sessions}
  """
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: {__MODULE__, Keyword.fetch!(options, :name)},
      start: {__MODULE__, :start_link, [options]}
    }
  end

  @doc """
  Deletes the table, in constant time: its memory is freed in the background, its name may be used again
  at once.

      iex> store = Offheap.Store.new(:gone)
      iex> Offheap.Store.delete(store)
      true
      iex> Offheap.Store.info(store)
      :undefined
  """
  @spec delete(t()) :: true
  defdelegate delete(store), to: :offheap_store

  @doc """
  Gives a named table another name, which must be free, and returns it. Of other tables only the name that
  `info/1` shows changes.

      iex> Offheap.Store.new(:before, [:named_table])
      iex> Offheap.Store.rename(:before, :after)
      :after
      iex> Offheap.Store.whereis(:before)
      :undefined
  """
  @spec rename(t(), atom()) :: t()
  defdelegate rename(store, name), to: :offheap_store

  @doc """
  The reference of the table with this name, or `:undefined`. It stays this table's when the name goes to
  another.

      iex> Offheap.Store.new(:words, [:named_table])
      iex> is_reference(Offheap.Store.whereis(:words))
      true
  """
  @spec whereis(atom()) :: tid() | :undefined
  defdelegate whereis(name), to: :offheap_store

  @doc """
  The names of all named tables.

      iex> Offheap.Store.new(:numbers, [:named_table])
      iex> :numbers in Offheap.Store.all()
      true
  """
  @spec all() :: [atom()]
  defdelegate all(), to: :offheap_store

  @doc """
  Makes another process the owner, which gets the message `{:"ETS-TRANSFER", table, from_pid, data}`. Only
  the owner may.

      iex> store = Offheap.Store.new(:gift)
      iex> pid = spawn(fn -> receive do {:"ETS-TRANSFER", _store, _from, :data} -> Process.sleep(:infinity) end end)
      iex> Offheap.Store.give_away(store, pid, :data)
      true
      iex> Offheap.Store.info(store, :owner) == pid
      true
  """
  @spec give_away(t(), pid(), term()) :: true
  defdelegate give_away(store, pid, data), to: :offheap_store

  @doc """
  Changes who inherits the table, or its protection. Only the owner may.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.setopts(store, [{:heir, self(), :data}, {:protection, :private}])
      true
      iex> Offheap.Store.info(store, :heir) == self()
      true
  """
  @spec setopts(t(), option | [option]) :: true
        when option:
               {:heir, pid(), term()}
               | {:heir, :none}
               | {:protection, :public | :protected | :private}
  defdelegate setopts(store, options), to: :offheap_store

  # --- Objects ---

  @doc """
  Deletes the object with this key, if there is one.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.delete(store, :a)
      true
      iex> Offheap.Store.get(store, :a)
      nil
  """
  @spec delete(t(), key()) :: true
  defdelegate delete(store, key), to: :offheap_store

  @doc """
  Stores `{key, value}`. For tables with `:keypos` 1.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, [1, 2])
      :ok
  """
  @spec put(t(), key(), term()) :: :ok
  defdelegate put(store, key, value), to: :offheap_store

  @doc """
  The value stored for the key, or the default. `ArgumentError` if the key's object is not of two
  elements.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> {Offheap.Store.get(store, :a), Offheap.Store.get(store, :b), Offheap.Store.get(store, :b, 0)}
      {1, nil, 0}
  """
  @spec get(t(), key(), default) :: term() | default when default: term()
  def get(store, key, default \\ nil), do: :offheap_store.get(store, key, default)

  @doc """
  `{:ok, value}`, or `:error` if the key is not there.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.fetch(store, :a)
      :error
  """
  @spec fetch(t(), key()) :: {:ok, term()} | :error
  defdelegate fetch(store, key), to: :offheap_store

  @doc """
  Inserts an object, or a list of objects as one atomic and isolated change. An object replaces the one
  with the same key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2, 3}])
      true
  """
  @spec insert(t(), object() | [object()]) :: true
  defdelegate insert(store, objects), to: :offheap_store

  @doc """
  Inserts only if none of the keys is in the table.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert_new(store, {:a, 1})
      true
      iex> Offheap.Store.insert_new(store, [{:b, 1}, {:a, 2}])
      false
      iex> Offheap.Store.member?(store, :b)
      false
  """
  @spec insert_new(t(), object() | [object()]) :: boolean()
  defdelegate insert_new(store, objects), to: :offheap_store

  @doc """
  The object with this key in a list, or an empty list.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.lookup(store, :a)
      []
  """
  @spec lookup(t(), key()) :: [object()]
  defdelegate lookup(store, key), to: :offheap_store

  @doc """
  The element at `position` of the object with this key; only this element is copied. `ArgumentError` if
  there is no such object or element.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:a, "first", "second"})
      iex> Offheap.Store.lookup_element(store, :a, 3)
      "second"
  """
  @spec lookup_element(t(), key(), pos_integer()) :: term()
  defdelegate lookup_element(store, key, position), to: :offheap_store

  @doc """
  The same, with a default for a key that is not there.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.lookup_element(store, :a, 2, :none)
      :none
  """
  @spec lookup_element(t(), key(), pos_integer(), default) :: term() | default
        when default: term()
  defdelegate lookup_element(store, key, position, default), to: :offheap_store

  @doc """
  Whether there is an object with this key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.member?(store, :a)
      false
  """
  @spec member?(t(), key()) :: boolean()
  defdelegate member?(store, key), to: :offheap_store, as: :member

  @doc """
  Deletes the object with this key and returns it in a list.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> {Offheap.Store.take(store, :a), Offheap.Store.take(store, :a)}
      {[a: 1], []}
  """
  @spec take(t(), key()) :: [object()]
  defdelegate take(store, key), to: :offheap_store

  @doc """
  Adds to integers of an object, atomically, and returns the new value, or the list of new values for a
  list of operations. An increment alone means the element after the key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:hits, 10, 0})
      iex> Offheap.Store.update_counter(store, :hits, 5)
      15
      iex> Offheap.Store.update_counter(store, :hits, [{2, -1}, {3, 1}])
      [14, 1]
      iex> Offheap.Store.update_counter(store, :hits, {2, 10, 20, 0})
      0
  """
  @spec update_counter(t(), key(), integer() | update_op() | [update_op()]) ::
          integer() | [integer()]
  defdelegate update_counter(store, key, operation), to: :offheap_store

  @doc """
  The same; a key that is not there begins as `default`, an object whose key is replaced.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.update_counter(store, :hits, 1, {:hits, 0})
      1
  """
  @spec update_counter(t(), key(), integer() | update_op() | [update_op()], object()) ::
          integer() | [integer()]
  defdelegate update_counter(store, key, operation, default), to: :offheap_store

  @doc """
  Replaces the object `old` by `new`, which must have the same key, if it is what the table holds:
  compare-and-swap. Returns whether it did.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:state, :idle})
      iex> Offheap.Store.replace(store, {:state, :idle}, {:state, :busy})
      true
      iex> Offheap.Store.replace(store, {:state, :idle}, {:state, :busy})
      false
  """
  @spec replace(t(), object(), object()) :: boolean()
  defdelegate replace(store, old, new), to: :offheap_store

  @doc """
  Deletes the object if it is what the table holds: compare-and-delete. Returns whether it did.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:state, :idle})
      iex> Offheap.Store.remove(store, {:state, :busy})
      false
      iex> Offheap.Store.remove(store, {:state, :idle})
      true
  """
  @spec remove(t(), object()) :: boolean()
  defdelegate remove(store, object), to: :offheap_store

  @doc """
  All objects, in no order, or in that of an ordered set's keys. Every object that is in the table
  throughout the call is given exactly once.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2}])
      iex> store |> Offheap.Store.to_list() |> Enum.sort()
      [a: 1, b: 2]
  """
  @spec to_list(t()) :: [object()]
  defdelegate to_list(store), to: :offheap_store, as: :tab2list

  # --- Pairs: the names of Map ---

  @doc """
  The value stored for the key. `KeyError` if there is none.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.fetch!(store, :a)
      1
      iex> Offheap.Store.fetch!(store, :b)
      ** (KeyError) key :b not found
  """
  @spec fetch!(t(), key()) :: term()
  def fetch!(store, key) do
    case :offheap_store.fetch(store, key) do
      {:ok, value} -> value
      :error -> raise KeyError, key: key
    end
  end

  @doc """
  The value stored for the key, or what the function returns, which is called only then. Nothing is stored.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.get_lazy(store, :a, fn -> :made end)
      :made
  """
  @spec get_lazy(t(), key(), (() -> default)) :: term() | default when default: term()
  def get_lazy(store, key, fun) when is_function(fun, 0) do
    case :offheap_store.fetch(store, key) do
      {:ok, value} -> value
      :error -> fun.()
    end
  end

  @doc """
  Stores `{key, value}` if the key is not there; returns whether it did. Atomic: of several processes one
  does.

      iex> store = Offheap.Store.new(:s)
      iex> {Offheap.Store.put_new(store, :a, 1), Offheap.Store.put_new(store, :a, 2)}
      {true, false}
      iex> Offheap.Store.get(store, :a)
      1
  """
  @spec put_new(t(), key(), term()) :: boolean()
  def put_new(store, key, value), do: :offheap_store.insert_new(store, {key, value})

  @doc """
  The same with a value that is made only if the key is not there. Several processes may each make one; one
  is stored.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put_new_lazy(store, :a, fn -> 1 end)
      true
      iex> Offheap.Store.put_new_lazy(store, :a, fn -> raise "not called" end)
      false
  """
  @spec put_new_lazy(t(), key(), (() -> term())) :: boolean()
  def put_new_lazy(store, key, fun) when is_function(fun, 0) do
    not :offheap_store.member(store, key) and :offheap_store.insert_new(store, {key, fun.()})
  end

  @doc """
  Stores what the function makes of the value, or `default` if the key is not there. Returns what was
  stored.

  No change of others is lost: the new value replaces the very value that the function was given, else the
  function is called again with the value that came between. So it should do nothing but compute. Each
  repetition means that another process has changed the entry: somebody always gets on, and nobody
  waits. For counters see `update_counter/3`, which is one call.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.update(store, :a, [1], &[1 | &1])
      [1]
      iex> Offheap.Store.update(store, :a, [1], &[1 | &1])
      [1, 1]
  """
  @spec update(t(), key(), default :: term(), (term() -> term())) :: term()
  def update(store, key, default, fun) when is_function(fun, 1) do
    {_old, new} =
      change(store, key, fn
        {:ok, value} -> {value, fun.(value)}
        :error -> {nil, default}
      end)

    new
  end

  @doc """
  The same for a key that must be there: else `KeyError`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.update!(store, :a, & &1 + 1)
      2
      iex> Offheap.Store.update!(store, :b, & &1 + 1)
      ** (KeyError) key :b not found
  """
  @spec update!(t(), key(), (term() -> term())) :: term()
  def update!(store, key, fun) when is_function(fun, 1) do
    {_old, new} =
      change(store, key, fn
        {:ok, value} -> {value, fun.(value)}
        :error -> raise KeyError, key: key
      end)

    new
  end

  @doc """
  Calls the function with the value, `nil` if the key is not there. It returns `{result, new_value}`, or
  `:pop` to delete the key; the call returns the result, or the value that was deleted. Atomic in the same
  way as `update/4`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.get_and_update(store, :a, fn nil -> {:was_empty, 1} end)
      :was_empty
      iex> Offheap.Store.get_and_update(store, :a, fn 1 -> :pop end)
      1
      iex> Offheap.Store.has_key?(store, :a)
      false
  """
  @spec get_and_update(t(), key(), (term() -> {result, term()} | :pop)) :: result | term()
        when result: term()
  def get_and_update(store, key, fun) when is_function(fun, 1) do
    {result, _new} =
      change(store, key, fn found ->
        value = if found == :error, do: nil, else: elem(found, 1)

        case fun.(value) do
          {_result, _new} = pair ->
            pair

          :pop ->
            {:pop, value}

          other ->
            raise ArgumentError, "expected {result, new_value} or :pop, got: #{inspect(other)}"
        end
      end)

    result
  end

  # Stores what fun makes of {:ok, value} or :error: {result, new_value}, or {:pop, value} to delete. The key
  # is the one that stands in the table: an equal float may look different.
  defp change(store, key, fun) do
    {found, stored} =
      case :offheap_store.lookup(store, key) do
        [{_key, value} = object] -> {{:ok, value}, object}
        [] -> {:error, nil}
        [object] -> raise ArgumentError, "not an object of two elements: #{inspect(object)}"
      end

    case {fun.(found), stored} do
      {{:pop, value}, nil} ->
        {value, nil}

      {{:pop, value}, _} ->
        if :offheap_store.remove(store, stored), do: {value, nil}, else: change(store, key, fun)

      {{_result, new} = pair, nil} ->
        if :offheap_store.insert_new(store, {key, new}), do: pair, else: change(store, key, fun)

      {{_result, new} = pair, {key, _value}} ->
        if :offheap_store.replace(store, stored, {key, new}),
          do: pair,
          else: change(store, key, fun)
    end
  end

  @doc """
  Deletes the key and returns its value, or the default. Atomic: of several processes one gets the value.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> {Offheap.Store.pop(store, :a), Offheap.Store.pop(store, :a, :none)}
      {1, :none}
  """
  @spec pop(t(), key(), default) :: term() | default when default: term()
  def pop(store, key, default \\ nil) do
    case :offheap_store.take(store, key) do
      [{_key, value}] -> value
      [] -> default
    end
  end

  @doc """
  The same for a key that must be there: else `KeyError`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.pop!(store, :a)
      ** (KeyError) key :a not found
  """
  @spec pop!(t(), key()) :: term()
  def pop!(store, key) do
    case :offheap_store.take(store, key) do
      [{_key, value}] -> value
      [] -> raise KeyError, key: key
    end
  end

  @doc """
  Whether there is an object with this key: `member?/2` by `Map`'s name.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.has_key?(store, :a)
      false
  """
  @spec has_key?(t(), key()) :: boolean()
  defdelegate has_key?(store, key), to: :offheap_store, as: :member

  @doc """
  Deletes these keys, one after the other.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [a: 1, b: 2, c: 3])
      iex> Offheap.Store.drop(store, [:a, :b, :x])
      :ok
      iex> Offheap.Store.to_list(store)
      [c: 3]
  """
  @spec drop(t(), Enumerable.t()) :: :ok
  def drop(store, keys), do: Enum.each(keys, &:offheap_store.delete(store, &1))

  @doc """
  Stores all pairs of a map or keyword list as one atomic and isolated change.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.merge(store, %{a: 1, b: 2})
      :ok
      iex> Offheap.Store.get(store, :b)
      2
  """
  @spec merge(t(), Enumerable.t()) :: :ok
  def merge(store, pairs) do
    true = :offheap_store.insert(store, Enum.map(pairs, fn {_key, _value} = pair -> pair end))
    :ok
  end

  @doc """
  The keys, in no order.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2, 3}])
      iex> Offheap.Store.keys(store) |> Enum.sort()
      [:a, :b]
  """
  @spec keys(t()) :: [key()]
  def keys(store) do
    place = :offheap_store.info(store, :keypos)
    for object <- :offheap_store.tab2list(store), do: elem(object, place - 1)
  end

  @doc """
  The values of a table of pairs, in no order.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [a: 1, b: 2])
      iex> Offheap.Store.values(store) |> Enum.sort()
      [1, 2]
  """
  @spec values(t()) :: [term()]
  def values(store), do: for({_key, value} <- :offheap_store.tab2list(store), do: value)

  @doc """
  The number of objects: `info(store, :size)`, with `ArgumentError` for a deleted table. Less than a
  microsecond for 50,000 objects, some 5 to 50 for a million.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [a: 1, b: 2])
      iex> Offheap.Store.count(store)
      2
  """
  @spec count(t()) :: non_neg_integer()
  def count(store) do
    case :offheap_store.info(store, :size) do
      :undefined -> raise ArgumentError, "the table was deleted"
      size -> size
    end
  end

  # --- Streams ---

  @doc """
  The objects as a stream. It walks over the table as it is consumed, up to about a thousand objects at a
  time, holds nothing in between, and may be left at any time. Every object that is in the table
  throughout is given exactly once, whatever else is inserted or deleted meanwhile.

      iex> store = Offheap.Store.new(:s)
      iex> for i <- 1..10_000, do: Offheap.Store.put(store, i, i)
      iex> store |> Offheap.Store.stream() |> Stream.map(&elem(&1, 1)) |> Enum.sum()
      50005000
      iex> store |> Offheap.Store.stream() |> Enum.take(3) |> length()
      3
  """
  @spec stream(t()) :: Enumerable.t()
  def stream(store), do: stream(store, nil)

  @doc """
  The results of a match specification for the objects, as a stream in the same way.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [a: 1, b: 2, c: 3])
      iex> store |> Offheap.Store.stream([{{:"$1", :"$2"}, [{:>, :"$2", 1}], [:"$1"]}]) |> Enum.sort()
      [:b, :c]
  """
  @spec stream(t(), :ets.match_spec() | nil) :: Enumerable.t()
  def stream(store, match_spec) do
    Stream.resource(
      # By its reference: a name may go to another table meanwhile.
      fn ->
        case :offheap_store.info(store, :id) do
          :undefined -> raise ArgumentError, "the table was deleted"
          id -> {id, :start, match_spec && :ets.match_spec_compile(match_spec)}
        end
      end,
      fn
        {_id, :done, _compiled} = state ->
          {:halt, state}

        {id, position, compiled} ->
          {objects, next} = :offheap_store.scan(id, position)
          results = if compiled, do: :ets.match_spec_run(objects, compiled), else: objects
          {results, {id, next, compiled}}
      end,
      fn _state -> :ok end
    )
  end

  @doc """
  The table as something that `Enum`, `Stream`, `for` and `inspect` take: see `Offheap.Store.View`.

      iex> store = Offheap.Store.new(:s)
      iex> Enum.into([a: 1, b: 2], Offheap.Store.view(store))
      iex> for {key, value} <- Offheap.Store.view(store), into: %{}, do: {key, value}
      %{a: 1, b: 2}
  """
  @spec view(t()) :: Offheap.Store.View.t()
  def view(store), do: %Offheap.Store.View{store: store}

  # --- What a table is; files ---

  @doc """
  What the table is and holds, as ETS tells it; `:undefined` if there is no such table. `:size` is exact
  when nobody writes. `:memory` is in words, and about right.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.info(store)[:size]
      1
  """
  @spec info(t()) :: keyword() | :undefined
  defdelegate info(store), to: :offheap_store

  @doc """
  One item of `info/1`; also `:segments` and `:large_objects`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.info(store, :protection)
      :protected
  """
  @spec info(t(), atom()) :: term()
  defdelegate info(store, item), to: :offheap_store

  @doc """
  Writes the table to a file, in ETS's format. Options: `extended_info: [:object_count, :md5sum]`, which
  `file2tab/2` verifies; `sync: true`.

      iex> path = Path.join(System.tmp_dir!(), "offheap_doc_#{System.unique_integer([:positive])}")
      iex> store = Offheap.Store.new(:kept)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.tab2file(store, path, extended_info: [:md5sum])
      :ok
      iex> {:ok, again} = Offheap.Store.file2tab(path, verify: true)
      iex> Offheap.Store.get(again, :a)
      1
      iex> {:ok, info} = Offheap.Store.tabfile_info(path)
      iex> {info[:name], info[:size]}
      {:kept, 1}
      iex> File.rm(path)
      :ok
  """
  @spec tab2file(t(), Path.t(), keyword()) :: :ok | {:error, term()}
  def tab2file(store, path, options \\ []),
    do: :offheap_store.tab2file(store, to_charlist(path), options)

  @doc "Makes a table of a file that `tab2file/3` or ETS wrote. Option: `verify: true`."
  @spec file2tab(Path.t(), keyword()) :: {:ok, t()} | {:error, term()}
  def file2tab(path, options \\ []), do: :offheap_store.file2tab(to_charlist(path), options)

  @doc "What such a file says of the table in it."
  @spec tabfile_info(Path.t()) :: {:ok, keyword()} | {:error, term()}
  def tabfile_info(path), do: :offheap_store.tabfile_info(to_charlist(path))

  @doc "Inserts all objects of an open dets table."
  @spec from_dets(t(), :dets.tab_name()) :: true
  defdelegate from_dets(store, dets), to: :offheap_store

  @doc "Replaces all objects of an open dets table by those of the table."
  @spec to_dets(t(), :dets.tab_name()) :: :dets.tab_name()
  defdelegate to_dets(store, dets), to: :offheap_store

  @doc """
  A handle for `:qlc`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [a: 1, b: 2])
      iex> query = :qlc.string_to_handle(~c"[X || {X, 2} <- T].", [], T: Offheap.Store.table(store))
      iex> :qlc.eval(query)
      [:b]
  """
  @spec table(t(), keyword()) :: :qlc.query_handle()
  def table(store, options \\ []), do: :offheap_store.table(store, options)

  # --- Match specifications ---

  @typedoc "What ETS takes: `[{head, guards, body}]`."
  @type match_spec :: :offheap_store.match_spec()
  @type match_pattern :: :offheap_store.match_pattern()
  @type continuation :: :offheap_store.continuation()

  @doc """
  What the bodies of the match specification make of the objects that match: of an ordered set in the order of
  their keys, elsewhere in no order.

  A specification is what `:ets.select/2` takes, and means the same. Where its clauses give the key (in the
  head, or by a `:"=:="` or `:==` of the key and a constant that every match must pass), the objects are looked
  up. In an ordered set a walk begins and ends where such comparisons (`:<`, `:"=<"`, `:>`, `:>=`) and the
  beginning of the head's key, up to its first variable, say. `select_plan/2` tells. Else the whole table is
  walked, in steps of about half a millisecond: every object that is in it throughout the call is matched exactly
  once, each as of one instant. Only what the bodies return is copied.

  Raises `ArgumentError` for a malformed specification and if the table is deleted during the call.

      iex> store = Offheap.Store.new(:users)
      iex> Offheap.Store.insert(store, [{1, "ada", 1815}, {2, "grace", 1906}, {3, "alan", 1912}])
      iex> Offheap.Store.select(store, [{{:_, :"$1", :"$2"}, [{:>, :"$2", 1910}], [:"$1"]}])
      ["alan"]
      iex> Offheap.Store.select(store, [{{2, :"$1", :_}, [], [:"$1"]}])
      ["grace"]

      iex> store = Offheap.Store.new(:readings, [:ordered_set])
      iex> for room <- 1..3, hour <- 0..23, do: Offheap.Store.put(store, {room, hour}, 20 + room)
      iex> Offheap.Store.select(store, [{{{2, :"$1"}, :_}, [{:<, :"$1", 3}], [:"$1"]}])
      [0, 1, 2]
  """
  @spec select(t(), match_spec()) :: [term()]
  defdelegate select(store, match_spec), to: :offheap_store

  @doc """
  The same in chunks of `limit` results: `{results, continuation}`, or `:"$end_of_table"`. Fewer results come
  only at the end, with `:"$end_of_table"` as the continuation. Objects that are deleted between chunks are not in
  later ones. An ordered set's chunks are in order, and go on behind the last key they got to, whether it is still
  there or not.

      iex> store = Offheap.Store.new(:s)
      iex> for i <- 1..5, do: Offheap.Store.put(store, i, i)
      iex> {first, continuation} = Offheap.Store.select(store, [{{:_, :"$1"}, [], [:"$1"]}], 3)
      iex> {rest, :"$end_of_table"} = Offheap.Store.select(continuation)
      iex> Enum.sort(first ++ rest)
      [1, 2, 3, 4, 5]
  """
  @spec select(t(), match_spec(), limit :: pos_integer()) ::
          {[term()], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate select(store, match_spec, limit), to: :offheap_store

  @doc "The next chunk of `select/3`."
  @spec select(continuation() | :"$end_of_table") ::
          {[term()], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate select(continuation), to: :offheap_store

  @doc """
  As `select/2`, of an ordered set in descending order.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> for i <- 1..5, do: Offheap.Store.put(store, i, i)
      iex> Offheap.Store.select_reverse(store, [{{:_, :"$1"}, [{:<, :"$1", 4}], [:"$1"]}])
      [3, 2, 1]
  """
  @spec select_reverse(t(), match_spec()) :: [term()]
  defdelegate select_reverse(store, match_spec), to: :offheap_store

  @doc """
  As `select/3`, of an ordered set from its end.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> for i <- 1..5, do: Offheap.Store.put(store, i, i)
      iex> {latest, continuation} = Offheap.Store.select_reverse(store, [{{:_, :"$1"}, [], [:"$1"]}], 2)
      iex> {earlier, _} = Offheap.Store.select_reverse(continuation)
      iex> {latest, earlier}
      {[5, 4], [3, 2]}
  """
  @spec select_reverse(t(), match_spec(), limit :: pos_integer()) ::
          {[term()], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate select_reverse(store, match_spec, limit), to: :offheap_store

  @doc "As `select/1`: a continuation knows its direction."
  @spec select_reverse(continuation() | :"$end_of_table") ::
          {[term()], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate select_reverse(continuation), to: :offheap_store

  @doc """
  How many objects match with a body whose value is `true`.

      iex> store = Offheap.Store.new(:s)
      iex> for i <- 1..5, do: Offheap.Store.put(store, i, i)
      iex> Offheap.Store.select_count(store, [{{:_, :"$1"}, [{:<, :"$1", 3}], [true]}])
      2
  """
  @spec select_count(t(), match_spec()) :: non_neg_integer()
  defdelegate select_count(store, match_spec), to: :offheap_store

  @doc """
  Deletes the objects that match with a body whose value is `true`; returns how many. Each is matched and
  deleted in one instant, in a duplicate bag with all that equal it; the call as a whole is not atomic.

      iex> store = Offheap.Store.new(:s)
      iex> for i <- 1..5, do: Offheap.Store.put(store, i, i)
      iex> Offheap.Store.select_delete(store, [{{:_, :"$1"}, [{:<, :"$1", 5}], [true]}])
      4
      iex> Offheap.Store.to_list(store)
      [{5, 5}]
  """
  @spec select_delete(t(), match_spec()) :: non_neg_integer()
  defdelegate select_delete(store, match_spec), to: :offheap_store

  @doc """
  Replaces each object that matches by what the body makes of it, in one instant; returns how many. Raises
  `ArgumentError` unless the specification shows that every body keeps the object's key, and for bags.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2}])
      iex> Offheap.Store.select_replace(store, [{{:"$1", :"$2"}, [], [{{:"$1", {:*, :"$2", 10}}}]}])
      2
      iex> Offheap.Store.get(store, :b)
      20
  """
  @spec select_replace(t(), match_spec()) :: non_neg_integer()
  defdelegate select_replace(store, match_spec), to: :offheap_store

  @doc """
  How `select/2` and its like find the objects: `{:keys, keys}`, by looking these keys up; `:scan`, by walking
  the whole table; in an ordered set `{:range, lower, upper, pattern}`, by walking from the first key that is not
  below `lower`, `{:>, key}`, `{:>=, key}` or `:unbound`, and may match `pattern` (`:_`: any), to the last that is
  not above `upper`, `{:<, key}`, `{:"=<", key}` or `:unbound`, and may match. Of the pattern what comes before its
  first variable counts, the rest is matched object by object.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.select_plan(store, [{{:"$1", :_}, [{:"=:=", :"$1", 7}], [:"$_"]}])
      {:keys, [7]}
      iex> Offheap.Store.select_plan(store, [{{:_, :"$1"}, [{:"=:=", :"$1", 7}], [:"$_"]}])
      :scan

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.select_plan(store, [{{:"$1", :_}, [{:>, :"$1", 7}], [:"$_"]}])
      {:range, {:>, 7}, :unbound, :_}
      iex> Offheap.Store.select_plan(store, [{{{:user, 7, :_}, :_}, [], [:"$_"]}])
      {:range, :unbound, :unbound, {:user, 7, :_}}
  """
  @spec select_plan(t(), match_spec()) :: :offheap_store_select.plan()
  defdelegate select_plan(store, match_spec), to: :offheap_store

  @doc """
  The variables' values, in a list for each object that matches the pattern.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{1, :a, "x"}, {2, :b, "y"}])
      iex> Offheap.Store.match(store, {:"$1", :b, :"$2"})
      [[2, "y"]]
  """
  @spec match(t(), match_pattern()) :: [[term()]]
  defdelegate match(store, pattern), to: :offheap_store

  @doc "The same in chunks, as `select/3`."
  @spec match(t(), match_pattern(), limit :: pos_integer()) ::
          {[[term()]], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate match(store, pattern, limit), to: :offheap_store

  @doc """
  The objects that match the pattern.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{1, %{name: "ada", admin: true}}, {2, %{name: "alan"}}])
      iex> Offheap.Store.match_object(store, {:_, %{admin: true}})
      [{1, %{admin: true, name: "ada"}}]
  """
  @spec match_object(t(), match_pattern()) :: [tuple()]
  defdelegate match_object(store, pattern), to: :offheap_store

  @doc "The same in chunks, as `select/3`."
  @spec match_object(t(), match_pattern(), limit :: pos_integer()) ::
          {[tuple()], continuation() | :"$end_of_table"} | :"$end_of_table"
  defdelegate match_object(store, pattern, limit), to: :offheap_store

  @doc """
  Deletes the objects that match the pattern, as `select_delete/2`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{1, :a}, {2, :b}])
      iex> Offheap.Store.match_delete(store, {:_, :a})
      true
      iex> Offheap.Store.to_list(store)
      [{2, :b}]
  """
  @spec match_delete(t(), match_pattern()) :: true
  defdelegate match_delete(store, pattern), to: :offheap_store

  @doc "A continuation that works after it was in the external term format, given its specification."
  @spec repair_continuation(continuation() | :"$end_of_table", match_spec()) ::
          continuation() | :"$end_of_table"
  defdelegate repair_continuation(continuation, match_spec), to: :offheap_store

  # --- Traversal ---

  @doc """
  The first key, or `:"$end_of_table"`: of an ordered set the smallest one, elsewhere in an order that only
  the table knows. A loop of `first/1` and `next/2` meets each key that is in the table throughout exactly
  once, whatever is inserted and deleted meanwhile; no `safe_fixtable/2` is needed. A step takes constant
  time, in an ordered set that of a look-up.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.first(store)
      :"$end_of_table"
      iex> Offheap.Store.insert(store, [{3, :c}, {1, :a}, {2, :b}])
      iex> {Offheap.Store.first(store), Offheap.Store.last(store)}
      {1, 3}
  """
  @spec first(t()) :: key() | :"$end_of_table"
  defdelegate first(store), to: :offheap_store

  @doc """
  The largest key, or `:"$end_of_table"`. A table without an order of keys is traversed in one direction
  only: of it, this is `first/1`, and `prev/2` is `next/2`.

      iex> Offheap.Store.last(Offheap.Store.new(:s, [:ordered_set]))
      :"$end_of_table"
  """
  @spec last(t()) :: key() | :"$end_of_table"
  defdelegate last(store), to: :offheap_store

  @doc """
  The key after `key`, which need not be in the table (any more), or `:"$end_of_table"`.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, [{1, :a}, {2.5, :b}])
      iex> {Offheap.Store.next(store, 1), Offheap.Store.next(store, 2), Offheap.Store.next(store, 3)}
      {2.5, 2.5, :"$end_of_table"}
  """
  @spec next(t(), key()) :: key() | :"$end_of_table"
  defdelegate next(store, key), to: :offheap_store

  @doc """
  The key before `key`, which need not be in the table, or `:"$end_of_table"`.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, [{1, :a}, {2.5, :b}])
      iex> {Offheap.Store.prev(store, 3), Offheap.Store.prev(store, 1)}
      {2.5, :"$end_of_table"}
  """
  @spec prev(t(), key()) :: key() | :"$end_of_table"
  defdelegate prev(store, key), to: :offheap_store

  @doc """
  As `first/1`, with the key's objects, all as of one instant.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, [{1, :a}, {2, :b}])
      iex> {Offheap.Store.first_lookup(store), Offheap.Store.last_lookup(store)}
      {{1, [{1, :a}]}, {2, [{2, :b}]}}
  """
  @spec first_lookup(t()) :: {key(), [object()]} | :"$end_of_table"
  defdelegate first_lookup(store), to: :offheap_store

  @doc """
  As `last/1`, with the key's objects.

      iex> Offheap.Store.last_lookup(Offheap.Store.new(:s, [:ordered_set]))
      :"$end_of_table"
  """
  @spec last_lookup(t()) :: {key(), [object()]} | :"$end_of_table"
  defdelegate last_lookup(store), to: :offheap_store

  @doc """
  As `next/2`, with the objects of the key it comes to.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, [{1, :a}, {2, :b}])
      iex> {Offheap.Store.next_lookup(store, 1), Offheap.Store.prev_lookup(store, 2)}
      {{2, [{2, :b}]}, {1, [{1, :a}]}}
  """
  @spec next_lookup(t(), key()) :: {key(), [object()]} | :"$end_of_table"
  defdelegate next_lookup(store, key), to: :offheap_store

  @doc """
  As `prev/2`, with the objects of the key it comes to.

      iex> Offheap.Store.prev_lookup(Offheap.Store.new(:s, [:ordered_set]), 1)
      :"$end_of_table"
  """
  @spec prev_lookup(t(), key()) :: {key(), [object()]} | :"$end_of_table"
  defdelegate prev_lookup(store, key), to: :offheap_store

  @doc """
  The objects of the slot `index`, from 0 on: a few keys of the table. `:"$end_of_table"` for the number of
  slots; `ArgumentError` beyond. When the table grows to twice as many slots, an object stays where it is or
  goes to a later slot: who goes through the slots upwards misses nothing and may meet an object twice. The
  slots of an ordered set are its objects, in order.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.slot(store, 0)
      []
  """
  @spec slot(t(), non_neg_integer()) :: [object()] | :"$end_of_table"
  defdelegate slot(store, index), to: :offheap_store

  @doc """
  Notes that the caller has fixed the table, or has it no longer. Traversals are safe without; this changes
  what `info/2` says of `:fixed` and `:safe_fixed_monotonic_time`. A process's fixes end with it.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.safe_fixtable(store, true)
      iex> Offheap.Store.info(store, :fixed)
      true
  """
  @spec safe_fixtable(t(), boolean()) :: true
  defdelegate safe_fixtable(store, fix), to: :offheap_store

  @doc """
  Calls `fun.(object, acc)` for every object: of an ordered set in order, elsewhere in no order but that of
  insertion among objects of one key.
  Every object that is in the table throughout the call is given exactly once.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2}])
      iex> Offheap.Store.foldl(fn {_key, value}, sum -> sum + value end, 0, store)
      3
  """
  @spec foldl((object(), acc -> acc), acc, t()) :: acc when acc: term()
  defdelegate foldl(fun, acc, store), to: :offheap_store

  @doc """
  The same from the last object of an ordered set on. A table without an order of keys has one direction
  only.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.foldr(fn object, objects -> [object | objects] end, [], store)
      []
  """
  @spec foldr((object(), acc -> acc), acc, t()) :: acc when acc: term()
  defdelegate foldr(fun, acc, store), to: :offheap_store

  @doc """
  Deletes the object, if it is in the table as a whole: another one with the same key stays. From a
  `:duplicate_bag`, all that equal it. Takes constant time, however many objects the key has.

      iex> store = Offheap.Store.new(:s, [:bag])
      iex> Offheap.Store.insert(store, [{:a, 1}, {:a, 2}, {:a, 3}])
      iex> Offheap.Store.delete_object(store, {:a, 2})
      iex> Offheap.Store.lookup(store, :a)
      [a: 1, a: 3]
  """
  @spec delete_object(t(), object()) :: true
  defdelegate delete_object(store, object), to: :offheap_store

  @doc """
  Deletes all objects, atomically and isolated, in constant time: their memory is freed in the background.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.delete_all_objects(store)
      iex> Offheap.Store.to_list(store)
      []
  """
  @spec delete_all_objects(t()) :: true
  defdelegate delete_all_objects(store), to: :offheap_store

  @doc """
  Sets elements of the object with this key, all at once; `false` if there is none. `ArgumentError`, and no
  change, if an element is not there or is the key, or for a bag.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:a, 1, 2})
      iex> Offheap.Store.update_element(store, :a, [{2, "one"}, {3, "two"}])
      true
      iex> Offheap.Store.lookup(store, :a)
      [{:a, "one", "two"}]
  """
  @spec update_element(t(), key(), element | [element]) :: boolean()
        when element: {position :: pos_integer(), value :: term()}
  defdelegate update_element(store, key, elements), to: :offheap_store

  @doc """
  The same; a key that is not there begins as `default`, an object whose key is replaced.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.update_element(store, :a, {2, 7}, {:key, 0, 0})
      iex> Offheap.Store.lookup(store, :a)
      [{:a, 7, 0}]
  """
  @spec update_element(t(), key(), element | [element], object()) :: true
        when element: {position :: pos_integer(), value :: term()}
  defdelegate update_element(store, key, elements, default), to: :offheap_store

  # --- Ordered sets: `ArgumentError` for a table of another type ---

  @doc """
  How many objects have keys smaller than `key`, which need not be in the table: its position in order,
  counted from 0. Exact if nobody writes meanwhile.

      iex> store = Offheap.Store.new(:scores, [:ordered_set])
      iex> Offheap.Store.insert(store, [{10, "ada"}, {20, "bob"}, {30, "eve"}])
      iex> {Offheap.Store.rank(store, 20), Offheap.Store.rank(store, 25)}
      {1, 2}
  """
  @spec rank(t(), key()) :: non_neg_integer()
  defdelegate rank(store, key), to: :offheap_store

  @doc """
  The object at a position in order, counted from 0, in a list; an empty list beyond the end.

      iex> store = Offheap.Store.new(:scores, [:ordered_set])
      iex> Offheap.Store.insert(store, [{10, "ada"}, {20, "bob"}])
      iex> {Offheap.Store.nth(store, 1), Offheap.Store.nth(store, 2)}
      {[{20, "bob"}], []}
  """
  @spec nth(t(), non_neg_integer()) :: [object()]
  defdelegate nth(store, n), to: :offheap_store

  @doc """
  Up to `count` objects in order, from a position on, counted from 0.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, for(i <- 1..9, do: {i}))
      iex> Offheap.Store.slice(store, 7, 5)
      [{8}, {9}]
  """
  @spec slice(t(), non_neg_integer(), non_neg_integer()) :: [object()]
  defdelegate slice(store, start, count), to: :offheap_store

  @doc """
  All objects with `from <= key <= to`, in order; of these the first `limit`, if given. Objects that are
  there throughout the call are given exactly once.

      iex> store = Offheap.Store.new(:s, [:ordered_set])
      iex> Offheap.Store.insert(store, for(i <- 1..9, do: {i}))
      iex> Offheap.Store.range(store, 2.5, 5)
      [{3}, {4}, {5}]
      iex> Offheap.Store.range(store, 2.5, 5, 2)
      [{3}, {4}]
  """
  @spec range(t(), key(), key(), non_neg_integer() | :infinity) :: [object()]
  def range(store, from, to, limit \\ :infinity)
  def range(store, from, to, :infinity), do: :offheap_store.range(store, from, to)
  def range(store, from, to, limit), do: :offheap_store.range(store, from, to, limit)
end
