using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Attention over sequences too long for a head to stay in the second-level cache: products of a block of queries with all keys
/// that it sees.</summary>
/// <remarks>
/// A forward task is one block of <see cref="BlockProducts.QueryBlock"/> queries of one head of one sequence. Its scores,
/// <c>QueryBlock·Keys</c> numbers, are all that is held of the score matrix; they become weights in place, stay in the
/// second-level cache up to a few thousand keys, and are multiplied with V; the division by the softmax's sum is left to
/// the rows of the output, which are shorter. A backward task is one head of one sequence for one seed, since the
/// gradients of keys and values are sums over its query blocks, taken in order. Under a causal mask a block stops at the
/// last key that any of its queries sees.
/// </remarks>
internal static unsafe class BlockedAttention
{
    public static void ForwardBlock<TSimd, TVector>(void* pointer, int index)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref HeadTask c = ref Unsafe.AsRef<HeadTask>(pointer);
        int blocks = BlockProducts.Blocks(c.A.Shape.Queries);
        int block = index % blocks;
        (int example, int head) = c.Head(index / blocks);
        (int first, int rows, int keys) = c.Block(example, block);
        using ScratchLease lease = c.RentScratch(matrices: 1);
        float* weights = lease.As<float>() + BlockProducts.ProductScratch;
        StridedMatrix values = HeadTask.Operand(c.A.Values, example, c.A.Shape.Keys, 0, head, c.A.Shape.ValueWidth);
        c.Scores(lease.As<float>(), example, head, first, rows, keys, weights);
        float* sums = weights + ((long)BlockProducts.QueryBlock * c.A.Shape.Keys);
        for (int i = 0; i < rows; i++)
        {
            float* row = weights + ((long)i * keys);
            int visible = c.Visible(first + i, keys);
            float largest = SimdRow<TSimd, TVector>.Max(row, visible);
            sums[i] = visible == 0 ? 0 : SimdRow<TSimd, TVector>.ExpAndSum(row, largest, row, visible);
            new Span<float>(row + visible, keys - visible).Clear();
            *c.LogSum(example, head, first + i) = largest + MathF.Log(sums[i]);
        }

        StridedMatrix outputs = HeadTask.Operand(c.A.Outputs, example, c.A.Shape.Queries, first, head, c.A.Shape.ValueWidth);
        c.Multiply(lease.As<float>(), rows, c.A.Shape.ValueWidth, keys, 1, new StridedMatrix(weights, keys, 1), values, 0, outputs);
        for (int i = 0; i < rows; i++)
        {
            float* row = outputs.At(i, 0);
            SimdRow<TSimd, TVector>.Scale(row, sums[i] == 0 ? 0 : 1 / sums[i], row, c.A.Shape.ValueWidth);
        }
    }

    public static void BackwardHead<TSimd, TVector, TSums>(void* pointer, int index)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref HeadTask c = ref Unsafe.AsRef<HeadTask>(pointer);
        (int seedExample, int head) = c.Head(index);
        c.ScaleKeyGradients(seedExample, head);
        using ScratchLease lease = c.RentScratch(matrices: 2);
        for (int block = 0; block < BlockProducts.Blocks(c.A.Shape.Queries); block++)
        {
            BackwardBlock<TSimd, TVector, TSums>(ref c, lease.As<float>(), seedExample, head, block);
        }
    }

    private static void BackwardBlock<TSimd, TVector, TSums>(ref HeadTask c, float* scratch, int seedExample, int head, int block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        AttentionShape shape = c.A.Shape;
        int example = seedExample % shape.Examples;
        (int first, int rows, int keys) = c.Block(example, block);
        float* weights = scratch + BlockProducts.ProductScratch;
        float* scores = weights + ((long)BlockProducts.QueryBlock * shape.Keys);
        StridedMatrix outputs = HeadTask.Operand(c.A.Outputs, example, shape.Queries, first, head, shape.ValueWidth);
        StridedMatrix gradients = HeadTask.Operand(c.Gradients.Outputs, seedExample, shape.Queries, first, head, shape.ValueWidth);
        StridedMatrix values = HeadTask.Operand(c.A.Values, example, shape.Keys, 0, head, shape.ValueWidth);
        c.Scores(scratch, example, head, first, rows, keys, weights);
        c.Multiply(scratch, rows, keys, shape.ValueWidth, 1, gradients, values.Transposed, 0, new StridedMatrix(scores, keys, 1));
        for (int i = 0; i < rows; i++)
        {
            float* weight = weights + ((long)i * keys);
            float* score = scores + ((long)i * keys);
            int visible = c.Visible(first + i, keys);
            SimdRow<TSimd, TVector>.ExpAndSum(weight, *c.LogSum(example, head, first + i), weight, visible);
            double mean = RowSums.Dot<TSums>(gradients.At(i, 0), outputs.At(i, 0), shape.ValueWidth);
            ScoreGradients<TSimd, TVector>(weight, (float)mean, c.A.Scale, score, visible);
            new Span<float>(weight + visible, keys - visible).Clear();
            new Span<float>(score + visible, keys - visible).Clear();
        }

        c.AddGradients(scratch, seedExample, head, first, rows, keys, weights, scores);
    }

    /// <summary><c>s ← scale·p∘(s − mean)</c>.</summary>
    private static void ScoreGradients<TSimd, TVector>(float* p, float mean, float scale, float* s, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector means = TSimd.Create(mean);
        TVector scales = TSimd.Create(scale);
        for (int j = 0; j < count; j += TSimd.Count)
        {
            int rest = Math.Min(TSimd.Count, count - j);
            TVector centred = TSimd.Subtract(TSimd.LoadPartial(s + j, rest), means);
            TVector scaled = TSimd.Multiply(TSimd.Multiply(TSimd.LoadPartial(p + j, rest), scales), centred);
            TSimd.StorePartial(scaled, s + j, rest);
        }
    }
}
