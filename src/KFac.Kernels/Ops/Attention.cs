namespace KFac.Kernels;

/// <summary>Scaled dot-product attention, head by head: <c>O = softmax(scale·Q·Kᵀ + mask)·V</c> (Vaswani et al. 2017).</summary>
/// <remarks>
/// The matrix of scores is never stored: memory is linear in the lengths of the sequences. The forward pass keeps the
/// logarithm of each softmax's sum, from which the backward pass forms the scores again (Dao et al. 2022). A query that
/// sees no key yields zeros. NaN in a query or in a key or value that it sees makes that query's output NaN.
/// </remarks>
public static class Attention
{
    /// <summary>Computes outputs.</summary>
    /// <remarks>Error: <c>(2δ + γ(2·Keys + 16))·Σ_j p_j·|v_j|</c> with <c>δ = γ(d + 4)·max_j |scale|·Σ|q|·|k_j|</c>, the largest
    /// rounding of a score.</remarks>
    /// <param name="scale">Usually <c>1/√d</c>.</param>
    /// <param name="queries">[M·Queries, H·d].</param>
    /// <param name="keys">[M·Keys, H·d].</param>
    /// <param name="values">[M·Keys, H·ValueWidth].</param>
    /// <param name="outputs">[M·Queries, H·ValueWidth].</param>
    /// <param name="logSums">[M·Queries, H]: <c>log Σ_j e^{score}</c> over the keys that are seen, −∞ where there is none.</param>
    public static void Forward(
        DeviceStream stream,
        AttentionShape shape,
        AttentionMask mask,
        float scale,
        MatrixView<float> queries,
        MatrixView<float> keys,
        MatrixView<float> values,
        MatrixView<float> outputs,
        MatrixView<float> logSums)
    {
        IAttentionKernel kernel = CheckInputs(stream, shape, mask, scale, queries, keys, values);
        Check.View(stream, outputs, nameof(outputs));
        Check.View(stream, logSums, nameof(logSums));
        Check.Shape(outputs, shape.Examples * shape.Queries, shape.Heads * shape.ValueWidth, nameof(outputs));
        Check.Shape(logSums, shape.Examples * shape.Queries, shape.Heads, nameof(logSums));
        Check.NoOverlap(outputs, logSums, nameof(outputs), nameof(logSums));
        CheckApart(outputs, nameof(outputs), mask, queries, keys, values);
        CheckApart(logSums, nameof(logSums), mask, queries, keys, values);
        kernel.Forward(new AttentionArguments(shape, mask, scale, queries, keys, values, outputs, logSums));
    }

    /// <summary>Gradients of queries, keys and values, for one or more seeds stacked on top of each other.</summary>
    /// <remarks><c>∂V = Pᵀ·∂O</c>, <c>∂S = P∘(∂O·Vᵀ − rowsum(∂O∘O))</c>, <c>∂Q = scale·∂S·K</c>, <c>∂K = scale·∂Sᵀ·Q</c>; each is
    /// added to beta times what its output holds.</remarks>
    /// <param name="outputs">[M·Queries, H·ValueWidth], as the forward pass left them.</param>
    /// <param name="logSums">[M·Queries, H], as the forward pass left them.</param>
    /// <param name="outputGradients">[S·M·Queries, H·ValueWidth]: S seeds.</param>
    /// <param name="queryGradients">[S·M·Queries, H·d], and 0 to overwrite or another factor for what it holds.</param>
    /// <param name="keyGradients">[S·M·Keys, H·d], likewise.</param>
    /// <param name="valueGradients">[S·M·Keys, H·ValueWidth], likewise.</param>
    public static void Backward(
        DeviceStream stream,
        AttentionShape shape,
        AttentionMask mask,
        float scale,
        MatrixView<float> queries,
        MatrixView<float> keys,
        MatrixView<float> values,
        MatrixView<float> outputs,
        MatrixView<float> logSums,
        MatrixView<float> outputGradients,
        (MatrixView<float> Matrix, float Beta) queryGradients,
        (MatrixView<float> Matrix, float Beta) keyGradients,
        (MatrixView<float> Matrix, float Beta) valueGradients)
    {
        IAttentionKernel kernel = CheckInputs(stream, shape, mask, scale, queries, keys, values);
        int queryRows = shape.Examples * shape.Queries;
        Check.View(stream, outputs, nameof(outputs));
        Check.View(stream, logSums, nameof(logSums));
        Check.View(stream, outputGradients, nameof(outputGradients));
        Check.Shape(outputs, queryRows, shape.Heads * shape.ValueWidth, nameof(outputs));
        Check.Shape(logSums, queryRows, shape.Heads, nameof(logSums));
        Check.Shape(outputGradients, outputGradients.Rows, shape.Heads * shape.ValueWidth, nameof(outputGradients));
        int seeds = queryRows > 0
            ? Check.Seeds(outputGradients.Rows, queryRows, nameof(outputGradients))
            : Check.Seeds(keyGradients.Matrix.Rows, shape.Examples * shape.Keys, nameof(keyGradients));
        var arguments = new AttentionArguments(shape, mask, scale, queries, keys, values, outputs, logSums);
        var gradients = new AttentionGradients(seeds, outputGradients, queryGradients, keyGradients, valueGradients);
        CheckGradients(stream, arguments, gradients);
        kernel.Backward(arguments, gradients);
    }

    private static IAttentionKernel CheckInputs(
        DeviceStream stream,
        AttentionShape shape,
        AttentionMask mask,
        float scale,
        MatrixView<float> queries,
        MatrixView<float> keys,
        MatrixView<float> values)
    {
        IAttentionKernel kernel = Check.Kernel(stream, static table => table.Attention, nameof(Attention));
        shape.Validate();
        Check.Finite(scale);
        Check.View(stream, queries, nameof(queries));
        Check.View(stream, keys, nameof(keys));
        Check.View(stream, values, nameof(values));
        Check.Shape(queries, shape.Examples * shape.Queries, shape.Heads * shape.KeyWidth, nameof(queries));
        Check.Shape(keys, shape.Examples * shape.Keys, shape.Heads * shape.KeyWidth, nameof(keys));
        Check.Shape(values, shape.Examples * shape.Keys, shape.Heads * shape.ValueWidth, nameof(values));
        if (mask.KeyCounts.Length > 0)
        {
            Check.View(stream, mask.KeyCounts, nameof(mask));
            Check.Length(mask.KeyCounts, shape.Examples, nameof(mask));
        }

        return kernel;
    }

    private static void CheckGradients(DeviceStream stream, in AttentionArguments a, in AttentionGradients g)
    {
        AttentionShape shape = a.Shape;
        CheckGradient(stream, a, g, g.Queries, shape.Queries, shape.KeyWidth, "queryGradients");
        CheckGradient(stream, a, g, g.Keys, shape.Keys, shape.KeyWidth, "keyGradients");
        CheckGradient(stream, a, g, g.Values, shape.Keys, shape.ValueWidth, "valueGradients");
        Check.NoOverlap(g.Queries.Matrix, g.Keys.Matrix, "queryGradients", "keyGradients");
        Check.NoOverlap(g.Queries.Matrix, g.Values.Matrix, "queryGradients", "valueGradients");
        Check.NoOverlap(g.Keys.Matrix, g.Values.Matrix, "keyGradients", "valueGradients");
    }

    private static void CheckGradient(
        DeviceStream stream,
        in AttentionArguments a,
        in AttentionGradients g,
        (MatrixView<float> Matrix, float Beta) gradient,
        int rows,
        int width,
        string name)
    {
        Check.View(stream, gradient.Matrix, name);
        Check.Shape(gradient.Matrix, g.Seeds * a.Shape.Examples * rows, a.Shape.Heads * width, name);
        Check.Finite(gradient.Beta);
        CheckApart(gradient.Matrix, name, a.Mask, a.Queries, a.Keys, a.Values);
        Check.NoOverlap(gradient.Matrix, a.Outputs, name, "outputs");
        Check.NoOverlap(gradient.Matrix, a.LogSums, name, "logSums");
        Check.NoOverlap(gradient.Matrix, g.Outputs, name, "outputGradients");
    }

    private static void CheckApart(
        MatrixView<float> output,
        string name,
        AttentionMask mask,
        MatrixView<float> queries,
        MatrixView<float> keys,
        MatrixView<float> values)
    {
        Check.NoOverlap(output, queries, name, nameof(queries));
        Check.NoOverlap(output, keys, name, nameof(keys));
        Check.NoOverlap(output, values, name, nameof(values));
        Check.NoOverlap(output, mask.KeyCounts.AsMatrix(1, mask.KeyCounts.Length), name, nameof(mask));
    }
}

/// <summary>What both passes read, and what the forward pass writes.</summary>
internal readonly record struct AttentionArguments(
    AttentionShape Shape,
    AttentionMask Mask,
    float Scale,
    MatrixView<float> Queries,
    MatrixView<float> Keys,
    MatrixView<float> Values,
    MatrixView<float> Outputs,
    MatrixView<float> LogSums);

/// <summary>What the backward pass reads besides, and what it writes.</summary>
internal readonly record struct AttentionGradients(
    int Seeds,
    MatrixView<float> Outputs,
    (MatrixView<float> Matrix, float Beta) Queries,
    (MatrixView<float> Matrix, float Beta) Keys,
    (MatrixView<float> Matrix, float Beta) Values);

/// <summary>A device's implementation of <see cref="Attention"/>.</summary>
internal interface IAttentionKernel
{
    void Forward(in AttentionArguments arguments);

    void Backward(in AttentionArguments arguments, in AttentionGradients gradients);
}
