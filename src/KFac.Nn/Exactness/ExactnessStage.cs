using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A part of a case's model, written down twice: as a module of the engine and as a float64 function.</summary>
internal abstract record ExactnessStage
{
    /// <summary>The module that the engine runs.</summary>
    public abstract Module Build();

    /// <summary>The same function on dual numbers.</summary>
    /// <param name="weightOf">The matrix [P_out, P_in], or [P_out, P_in + 1] with a bias, of a layer by name.</param>
    public abstract ExampleRows Forward(ExampleRows input, Func<string, DualMatrix> weightOf);
}

/// <summary>Rows that belong to examples.</summary>
/// <param name="Rows">[R_M, P].</param>
/// <param name="Offsets">M + 1 ascending numbers: example n has rows offset[n] to offset[n + 1].</param>
internal sealed record ExampleRows(DualMatrix Rows, IReadOnlyList<int> Offsets);

/// <summary>A linear layer.</summary>
internal sealed record LinearStage(string Name, int InputWidth, int OutputWidth, bool Bias = false) : ExactnessStage
{
    public override Module Build() => new Linear(Name, InputWidth, OutputWidth, Bias);

    public override ExampleRows Forward(ExampleRows input, Func<string, DualMatrix> weightOf)
    {
        DualMatrix rows = Bias ? input.Rows.WithOnes() : input.Rows;
        return input with { Rows = rows.Multiply(weightOf(Name).Transpose()) };
    }
}

/// <summary>An element-wise non-linearity.</summary>
internal sealed record ActivationStage(ActivationKind Kind) : ExactnessStage
{
    public override Module Build() => new ActivationLayer(Kind);

    public override ExampleRows Forward(ExampleRows input, Func<string, DualMatrix> weightOf) =>
        input with { Rows = input.Rows.Map(Function()) };

    private Func<Dual, Dual> Function() => Kind switch
    {
        ActivationKind.Relu => Dual.Relu,
        ActivationKind.Tanh => Dual.Tanh,
        ActivationKind.Sigmoid => Dual.Sigmoid,
        ActivationKind.Gelu => Dual.Gelu,
        _ => throw new NotSupportedException($"There is no float64 function for {Kind}."),
    };
}

/// <summary>One row per example: the sum of its rows times a constant (thesis, equation 3.22).</summary>
internal sealed record AggregationStage(SharingScale Scale) : ExactnessStage
{
    public override Module Build() => new MeanOverSharing(Scale);

    public override ExampleRows Forward(ExampleRows input, Func<string, DualMatrix> weightOf)
    {
        int examples = input.Offsets.Count - 1;
        var sums = new DualMatrix(examples, input.Rows.Columns);
        for (int n = 0; n < examples; n++)
        {
            double scale = ScaleOf(input.Offsets[n + 1] - input.Offsets[n]);
            for (int row = input.Offsets[n]; row < input.Offsets[n + 1]; row++)
            {
                for (int column = 0; column < sums.Columns; column++)
                {
                    sums[n, column] += scale * input.Rows[row, column];
                }
            }
        }

        return new ExampleRows(sums, [.. Enumerable.Range(0, examples + 1)]);
    }

    private double ScaleOf(int sharing) => Scale switch
    {
        SharingScale.Mean => 1.0 / sharing,
        SharingScale.Sum => 1,
        _ => 1 / Math.Sqrt(sharing),
    };
}

/// <summary>Self-attention without softmax and scaling, <c>(X W_Qᵀ)(X W_Kᵀ)ᵀ(X W_Vᵀ)</c> (thesis, equation 3.24).</summary>
internal sealed record AttentionStage(string Name, int InputWidth, int KeyWidth, int ValueWidth) : ExactnessStage
{
    public override Module Build() => new SimplifiedSelfAttention(Name, InputWidth, KeyWidth, ValueWidth);

    public override ExampleRows Forward(ExampleRows input, Func<string, DualMatrix> weightOf)
    {
        var output = new DualMatrix(input.Rows.Rows, ValueWidth);
        for (int n = 0; n + 1 < input.Offsets.Count; n++)
        {
            DualMatrix x = input.Rows.RowRange(input.Offsets[n], input.Offsets[n + 1] - input.Offsets[n]);
            DualMatrix query = x.Multiply(weightOf($"{Name}.query").Transpose());
            DualMatrix key = x.Multiply(weightOf($"{Name}.key").Transpose());
            DualMatrix value = x.Multiply(weightOf($"{Name}.value").Transpose());
            output.SetRows(input.Offsets[n], query.Multiply(key.Transpose()).Multiply(value));
        }

        return input with { Rows = output };
    }
}
