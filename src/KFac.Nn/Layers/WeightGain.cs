using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The trained lengths g of a normalised weight's rows: they start as the lengths of the initial weight's.</summary>
internal sealed class WeightGain(string name, LinearParameter weight) : Parameter(name, 1, weight.Rows, ParameterInitialization.Ones)
{
    /// <summary>A column with as many dimensions as the weight: [N, 1, 1, 1] of a convolution.</summary>
    internal override IEnumerable<TensorSlot> Slots() =>
        [new TensorSlot($"{weight.FileOwner}.weight_g", Columns, 1, 0, 1, [.. weight.FileSizes.Select(static _ => 1)])];

    /// <summary>The weight is initialised by then: it is registered first.</summary>
    internal override void Initialize(DeviceStream stream, PhiloxKey key)
    {
        Reduction.RowDot(stream, weight.Weight, weight.Weight, 1f, Values.Row(0));
        var lengths = new float[Columns];
        stream.Download(Values.Row(0), lengths);
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = MathF.Sqrt(lengths[i]);
        }

        stream.Upload<float>(lengths, Values.Row(0));
    }
}
