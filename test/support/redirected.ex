defmodule Offheap.Redirected do
  @moduledoc """
  OTP's own modules, whose authors did not think of Offheap, with their calls of `ets` redirected to
  `offheap_store`.

  A module is made anew, under another name, from the abstract code that OTP's builds keep in the beam
  file of the machine that runs the tests.
  """

  @doc """
  Compiles and loads `modules`, each as `offheap_test_<module>`, which call each other and, where they
  called `:ets`, `:offheap_store`. Returns the new names, in order.
  """
  def load(modules) do
    names = Map.new(modules, &{&1, :"offheap_test_#{&1}"})
    redirected = Map.put(names, :ets, :offheap_store)

    for module <- modules do
      name = Map.fetch!(names, module)
      options = [:binary, :nowarn_deprecated_function, :nowarn_unused_function]
      forms = module |> forms() |> rename(redirected) |> rename_itself(module, name)
      {:ok, ^name, code} = :compile.forms(forms, options)
      {:module, ^name} = :code.load_binary(name, ~c"redirected", code)
      name
    end
  end

  # What is loaded may be preloaded or cover compiled: the file has the code. Mix may have taken its folder
  # off the code path, where other modules of the application are looked for.
  defp forms(module) do
    [file | _] = Path.wildcard("#{:code.lib_dir()}/*/ebin/#{module}.beam")
    true = Code.append_path(Path.dirname(file))

    {:ok, {^module, [abstract_code: code]}} =
      :beam_lib.chunks(to_charlist(file), [:abstract_code])

    {:raw_abstract_v1, forms} = code
    forms
  end

  # Module attribute, calls and funs of other modules; types keep their names.
  defp rename(forms, names) do
    for form <- forms, do: form |> rename_attribute(names) |> rename_calls(names)
  end

  defp rename_attribute({:attribute, at, :module, module}, names),
    do: {:attribute, at, :module, Map.fetch!(names, module)}

  defp rename_attribute(form, _names), do: form

  defp rename_calls({:attribute, _, _, _} = form, _names), do: form

  defp rename_calls({:remote, at, {:atom, at2, module}, function}, names) do
    {:remote, at, {:atom, at2, Map.get(names, module, module)}, rename_calls(function, names)}
  end

  defp rename_calls({:function, {:atom, at, module}, name, arity}, names),
    do: {:function, {:atom, at, Map.get(names, module, module)}, name, arity}

  defp rename_calls(form, names) when is_tuple(form),
    do: form |> Tuple.to_list() |> rename_calls(names) |> List.to_tuple()

  defp rename_calls([head | tail], names),
    do: [rename_calls(head, names) | rename_calls(tail, names)]

  defp rename_calls(other, _names), do: other

  # What ?MODULE stood for, as an argument of gen_server:start, say.
  defp rename_itself({:attribute, _, _, _} = form, _module, _name), do: form
  defp rename_itself({:atom, at, module}, module, name), do: {:atom, at, name}

  defp rename_itself(form, module, name) when is_tuple(form),
    do: form |> Tuple.to_list() |> rename_itself(module, name) |> List.to_tuple()

  defp rename_itself([head | tail], module, name),
    do: [rename_itself(head, module, name) | rename_itself(tail, module, name)]

  defp rename_itself(other, _module, _name), do: other
end
