using System.Globalization;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A network's parameters and state as named tensors, shaped as PyTorch's are.</summary>
/// <remarks>
/// A layer's block [P_out, P_in + 1] becomes <c>layer.weight</c> [P_out, P_in], of a convolution [C_out, C, k_h, k_w], and <c>layer.bias</c>
/// [P_out]; a parameter that is a vector and a layer's state become [length]. When read, a convolution's weight may be flattened to
/// [C_out, C·k_h·k_w], and a linear layer's may have more dimensions after the first; files of other libraries' models are renamed
/// (<see cref="ForeignLayout"/>).
/// </remarks>
internal sealed class ParameterFile(
    DeviceStream stream, ParameterSet set, IReadOnlyList<Parameter> parameters, IReadOnlyList<StateVector> state)
{
    public void Save(string path)
    {
        var values = new float[set.Values.Length];
        stream.Download(set.Values, values);
        var tensors = new List<SafetensorsTensor>();
        foreach (Entry entry in Entries())
        {
            var numbers = new float[entry.Length];
            int first = 0;
            foreach ((TensorSlot slot, int offset) in entry.Parts)
            {
                slot.Read(values.AsSpan(offset), numbers.AsSpan(first));
                first += slot.Length;
            }

            tensors.Add(new(entry.Name, entry.Shape, numbers));
        }

        foreach (StateVector vector in state)
        {
            var numbers = new float[vector.Length];
            stream.Download(vector.Values, numbers);
            tensors.Add(new(vector.Name, [vector.Length], numbers));
        }

        Safetensors.Write(path, tensors);
    }

    /// <summary>Nothing is changed unless all of the file fits.</summary>
    public void Load(string path)
    {
        List<Entry> entries = Entries();
        HashSet<string> names = [.. entries.Select(static entry => entry.Name), .. state.Select(static vector => vector.Name)];
        var tensors = ForeignLayout.Rename(path, Safetensors.Read(path), names).ToDictionary(static tensor => tensor.Name);
        var values = new float[set.Values.Length];
        foreach (Entry entry in entries)
        {
            ReadOnlySpan<float> numbers = Take(path, tensors, entry.Name, entry.Shape);
            foreach ((TensorSlot slot, int offset) in entry.Parts)
            {
                slot.Write(numbers[..slot.Length], values.AsSpan(offset));
                numbers = numbers[slot.Length..];
            }
        }

        float[][] stateValues = [.. state.Select(vector => Take(path, tensors, vector.Name, [vector.Length]).ToArray())];
        if (tensors.Count > 0)
        {
            string others = tensors.Count == 1 ? string.Empty : $" and {tensors.Count - 1} more";
            throw new InvalidDataException($"{path} holds '{tensors.Keys.First()}'{others}, which the network lacks; wanted the tensors of the same model.");
        }

        stream.Upload<float>(values, set.Values);
        for (int i = 0; i < stateValues.Length; i++)
        {
            stream.Upload<float>(stateValues[i], state[i].Values);
        }
    }

    /// <summary>The tensors in the order of their first parts.</summary>
    private List<Entry> Entries()
    {
        var entries = new List<Entry>();
        var byName = new Dictionary<string, Entry>();
        for (int i = 0; i < parameters.Count; i++)
        {
            foreach (TensorSlot slot in parameters[i].Slots())
            {
                if (!byName.TryGetValue(slot.Tensor, out Entry? entry))
                {
                    entry = new Entry(slot.Tensor, []);
                    byName.Add(slot.Tensor, entry);
                    entries.Add(entry);
                }

                entry.Parts.Add((slot, set.Blocks[i].Offset));
            }
        }

        return entries;
    }

    private static ReadOnlySpan<float> Take(string path, Dictionary<string, SafetensorsTensor> tensors, string name, int[] shape)
    {
        if (!tensors.Remove(name, out SafetensorsTensor? tensor))
        {
            throw new InvalidDataException($"{path} has no tensor '{name}'; wanted one of shape [{string.Join(", ", shape)}].");
        }

        if (!Fits(tensor, shape))
        {
            throw new InvalidDataException(
                $"{path}: tensor '{name}' has shape [{string.Join(", ", tensor.Shape)}]; wanted [{string.Join(", ", shape)}].");
        }

        ReadOnlySpan<float> values = tensor.Values.Span;
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                throw new InvalidDataException(
                    string.Create(CultureInfo.InvariantCulture, $"{path}: tensor '{name}' holds {values[i]} at element {i}; wanted finite numbers."));
            }
        }

        return values;
    }

    /// <summary>The same shape, or one of them is the other with the sizes after the first taken together.</summary>
    private static bool Fits(SafetensorsTensor tensor, int[] shape)
    {
        int wanted = shape.Aggregate(1, static (product, size) => product * size);
        bool isFlat = tensor.Shape.Count <= 2 || shape.Length <= 2;
        return tensor.Shape.SequenceEqual(shape)
            || (isFlat && tensor.Shape.Count > 0 && tensor.Shape[0] == shape[0] && tensor.Values.Length == wanted);
    }

    /// <summary>A tensor of the file: parts of parameters, each with its parameter's place in the flat vector.</summary>
    private sealed record Entry(string Name, List<(TensorSlot Slot, int Offset)> Parts)
    {
        public int[] Shape => [Parts.Sum(static part => part.Slot.Rows), .. Parts[0].Slot.Sizes];

        public int Length => Parts.Sum(static part => part.Slot.Length);
    }
}
