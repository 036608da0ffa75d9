using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A network's parameters and state as named tensors, shaped as PyTorch's are.</summary>
/// <remarks>
/// A layer's block [P_out, P_in + 1] becomes <c>layer.weight</c> [P_out, P_in] and <c>layer.bias</c> [P_out]; a parameter that is a
/// vector and a layer's state become [length]. When read, a weight may have more dimensions after the first, like a
/// convolution's [C_out, C_in, k_h, k_w].
/// </remarks>
internal sealed class ParameterFile(DeviceStream stream, ParameterSet parameters, IReadOnlyList<KroneckerLayer> layers, IReadOnlyList<StateVector> state)
{
    public void Save(string path)
    {
        var values = new float[parameters.Values.Length];
        stream.Download(parameters.Values, values);
        var tensors = new List<SafetensorsTensor>();
        foreach (ParameterBlock block in parameters.Blocks)
        {
            ReadOnlyMemory<float> own = values.AsMemory(block.Offset, block.Rows * block.Columns);
            if (HasBias(block))
            {
                tensors.Add(new(block.Name, [block.Rows, block.Columns - 1], Columns(block, own.Span, 0, block.Columns - 1)));
                tensors.Add(new(BiasName(block), [block.Rows], Columns(block, own.Span, block.Columns - 1, 1)));
            }
            else
            {
                tensors.Add(new(block.Name, block.Layer < 0 && block.Rows == 1 ? [block.Columns] : [block.Rows, block.Columns], own));
            }
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
        var tensors = Safetensors.Read(path).ToDictionary(static tensor => tensor.Name);
        var values = new float[parameters.Values.Length];
        foreach (ParameterBlock block in parameters.Blocks)
        {
            Span<float> own = values.AsSpan(block.Offset, block.Rows * block.Columns);
            if (HasBias(block))
            {
                SetColumns(block, own, 0, Take(path, tensors, block.Name, [block.Rows, block.Columns - 1]));
                SetColumns(block, own, block.Columns - 1, Take(path, tensors, BiasName(block), [block.Rows]));
            }
            else
            {
                int[] shape = block.Layer < 0 && block.Rows == 1 ? [block.Columns] : [block.Rows, block.Columns];
                Take(path, tensors, block.Name, shape).CopyTo(own);
            }
        }

        float[][] numbers = [.. state.Select(vector => Take(path, tensors, vector.Name, [vector.Length]).ToArray())];
        if (tensors.Count > 0)
        {
            throw new InvalidDataException($"{path} holds '{tensors.Keys.First()}', which the network lacks; wanted the tensors of the same model.");
        }

        stream.Upload<float>(values, parameters.Values);
        for (int i = 0; i < numbers.Length; i++)
        {
            stream.Upload<float>(numbers[i], state[i].Values);
        }
    }

    private bool HasBias(ParameterBlock block) => block.Layer >= 0 && layers[block.Layer].HasBias;

    private string BiasName(ParameterBlock block) => layers[block.Layer].Name + ".bias";

    private static float[] Columns(ParameterBlock block, ReadOnlySpan<float> values, int first, int count)
    {
        var columns = new float[block.Rows * count];
        for (int row = 0; row < block.Rows; row++)
        {
            values.Slice((row * block.Columns) + first, count).CopyTo(columns.AsSpan(row * count));
        }

        return columns;
    }

    private static void SetColumns(ParameterBlock block, Span<float> values, int first, ReadOnlySpan<float> columns)
    {
        int count = columns.Length / block.Rows;
        for (int row = 0; row < block.Rows; row++)
        {
            columns.Slice(row * count, count).CopyTo(values[((row * block.Columns) + first)..]);
        }
    }

    private static ReadOnlySpan<float> Take(string path, Dictionary<string, SafetensorsTensor> tensors, string name, int[] shape)
    {
        if (!tensors.Remove(name, out SafetensorsTensor? tensor))
        {
            throw new InvalidDataException($"{path} has no tensor '{name}'; wanted one of shape [{string.Join(", ", shape)}].");
        }

        int wanted = shape.Aggregate(1, static (product, size) => product * size);
        bool fits = tensor.Values.Length == wanted && tensor.Shape.Count >= shape.Length && (shape.Length == 0 || tensor.Shape[0] == shape[0]);
        return fits
            ? tensor.Values.Span
            : throw new InvalidDataException(
                $"{path}: tensor '{name}' has shape [{string.Join(", ", tensor.Shape)}]; wanted [{string.Join(", ", shape)}].");
    }
}
