using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Attention"/> on the CPU: products of a block of queries with all keys that it sees.</summary>
/// <remarks>
/// A forward task is one block of <see cref="QueryBlock"/> queries of one head of one sequence. Its scores,
/// <c>QueryBlock·Keys</c> numbers, are all that is held of the score matrix; they become weights in place, stay in the
/// second-level cache up to a few thousand keys, and are multiplied with V; the division by the softmax's sum is left to
/// the rows of the output, which are shorter. A backward task is one head of one sequence for one seed, since the
/// gradients of keys and values are sums over its query blocks, taken in order. Under a causal mask a block stops at the
/// last key that any of its queries sees. Tasks are cut by shape: threads change no bit.
/// </remarks>
internal sealed unsafe class CpuAttention(CpuDevice device) : IAttentionKernel
{
    /// <summary>Queries whose scores are formed at a time.</summary>
    private const int QueryBlock = 64;

    public void Forward(in AttentionArguments arguments)
    {
        AttentionShape shape = arguments.Shape;
        var context = new Context(device, arguments);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardBlock<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &ForwardBlock<Simd256, Vector256<float>>,
            _ => &ForwardBlock<Simd128, Vector128<float>>,
        };
        device.Workers.Run(checked(shape.Examples * shape.Heads * context.QueryBlocks), body, Unsafe.AsPointer(ref context));
    }

    public void Backward(in AttentionArguments arguments, in AttentionGradients gradients)
    {
        AttentionShape shape = arguments.Shape;
        var context = new Context(device, arguments) { Gradients = gradients };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &BackwardHead<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &BackwardHead<Simd256, Vector256<float>, WideSums256>,
            _ => &BackwardHead<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(checked(gradients.Seeds * shape.Examples * shape.Heads), body, Unsafe.AsPointer(ref context));
    }

    private static void ForwardBlock<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref Unsafe.AsRef<Context>(pointer);
        int block = task % c.QueryBlocks;
        (int example, int head) = c.Head(task / c.QueryBlocks);
        (int first, int rows, int keys) = c.Block(example, block);
        using ScratchLease lease = c.RentScratch(matrices: 1);
        float* weights = lease.As<float>() + Context.ProductScratch;
        StridedMatrix values = Context.Operand(c.A.Values, example, c.A.Shape.Keys, 0, head, c.A.Shape.ValueWidth);
        c.Scores(lease.As<float>(), example, head, first, rows, keys, weights);
        float* sums = weights + ((long)QueryBlock * c.A.Shape.Keys);
        for (int i = 0; i < rows; i++)
        {
            float* row = weights + ((long)i * keys);
            int visible = c.Visible(first + i, keys);
            float largest = SimdRow<TSimd, TVector>.Max(row, visible);
            sums[i] = visible == 0 ? 0 : SimdRow<TSimd, TVector>.ExpAndSum(row, largest, row, visible);
            new Span<float>(row + visible, keys - visible).Clear();
            *c.LogSum(example, head, first + i) = largest + MathF.Log(sums[i]);
        }

        StridedMatrix outputs = Context.Operand(c.A.Outputs, example, c.A.Shape.Queries, first, head, c.A.Shape.ValueWidth);
        c.Multiply(lease.As<float>(), rows, c.A.Shape.ValueWidth, keys, 1, new StridedMatrix(weights, keys, 1), values, 0, outputs);
        for (int i = 0; i < rows; i++)
        {
            float* row = outputs.At(i, 0);
            SimdRow<TSimd, TVector>.Scale(row, sums[i] == 0 ? 0 : 1 / sums[i], row, c.A.Shape.ValueWidth);
        }
    }

    private static void BackwardHead<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref Unsafe.AsRef<Context>(pointer);
        (int seedExample, int head) = c.Head(task);
        c.ScaleKeyGradients(seedExample, head);
        using ScratchLease lease = c.RentScratch(matrices: 2);
        for (int block = 0; block < c.QueryBlocks; block++)
        {
            BackwardBlock<TSimd, TVector, TSums>(ref c, lease.As<float>(), seedExample, head, block);
        }
    }

    private static void BackwardBlock<TSimd, TVector, TSums>(ref Context c, float* scratch, int seedExample, int head, int block)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        AttentionShape shape = c.A.Shape;
        int example = seedExample % shape.Examples;
        (int first, int rows, int keys) = c.Block(example, block);
        float* weights = scratch + Context.ProductScratch;
        float* scores = weights + ((long)QueryBlock * shape.Keys);
        StridedMatrix outputs = Context.Operand(c.A.Outputs, example, shape.Queries, first, head, shape.ValueWidth);
        StridedMatrix gradients = Context.Operand(c.Gradients.Outputs, seedExample, shape.Queries, first, head, shape.ValueWidth);
        StridedMatrix values = Context.Operand(c.A.Values, example, shape.Keys, 0, head, shape.ValueWidth);
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

    private struct Context(CpuDevice device, AttentionArguments arguments)
    {
        public readonly AttentionArguments A = arguments;
        public readonly int QueryBlocks = (arguments.Shape.Queries + QueryBlock - 1) / QueryBlock;
        public AttentionGradients Gradients;
        private readonly CpuDevice _device = device;

        /// <summary>Elements at the start of a task's scratch that its products use.</summary>
        public static long ProductScratch => GemmCore.ScratchBytes / sizeof(float);

        public readonly ScratchLease RentScratch(int matrices) =>
            _device.Scratch.Rent((ProductScratch + (matrices * (long)QueryBlock * A.Shape.Keys) + QueryBlock) * sizeof(float));

        public readonly (int Example, int Head) Head(int index) => (index / A.Shape.Heads, index % A.Shape.Heads);

        /// <summary>The first query of a block, how many there are, and how many keys the last of them sees.</summary>
        public readonly (int First, int Rows, int Keys) Block(int example, int block)
        {
            int first = block * QueryBlock;
            int rows = Math.Min(QueryBlock, A.Shape.Queries - first);
            int present = A.Mask.KeyCounts.Length == 0
                ? A.Shape.Keys
                : Math.Clamp(A.Mask.KeyCounts.Pointer[example], 0, A.Shape.Keys);
            return (first, rows, Visible(first + rows - 1, present));
        }

        /// <summary>How many of the first <paramref name="keys"/> keys a query sees.</summary>
        public readonly int Visible(int query, int keys) =>
            A.Mask.Causal ? Math.Clamp(query + 1 + A.Shape.Keys - A.Shape.Queries, 0, keys) : keys;

        public readonly float* LogSum(int example, int head, int query) =>
            A.LogSums.Pointer + ((((long)example * A.Shape.Queries) + query) * A.LogSums.RowStride) + head;

        /// <summary>One head of one sequence, from row <paramref name="first"/> on.</summary>
        public static StridedMatrix Operand(MatrixView<float> all, int example, int rows, int first, int head, int width) => new(
            all.Pointer + ((((long)example * rows) + first) * all.RowStride) + ((long)head * width), all.RowStride, 1);

        /// <summary><c>scale·Q·Kᵀ</c> of a block of queries and the first <paramref name="keys"/> keys, without gaps.</summary>
        public readonly void Scores(float* scratch, int example, int head, int first, int rows, int keys, float* scores) => Multiply(
            scratch,
            rows,
            keys,
            A.Shape.KeyWidth,
            A.Scale,
            Operand(A.Queries, example, A.Shape.Queries, first, head, A.Shape.KeyWidth),
            Operand(A.Keys, example, A.Shape.Keys, 0, head, A.Shape.KeyWidth).Transposed,
            0,
            new StridedMatrix(scores, keys, 1));

        /// <summary>Multiplies what the gradients of keys and values held by their betas, so that blocks can be added.</summary>
        public readonly void ScaleKeyGradients(int seedExample, int head)
        {
            StridedMatrix keys = Operand(Gradients.Keys.Matrix, seedExample, A.Shape.Keys, 0, head, A.Shape.KeyWidth);
            StridedMatrix values = Operand(Gradients.Values.Matrix, seedExample, A.Shape.Keys, 0, head, A.Shape.ValueWidth);
            GemmCore.Scale(A.Shape.Keys, A.Shape.KeyWidth, Gradients.Keys.Beta, keys.At(0, 0), keys.RowStride);
            GemmCore.Scale(A.Shape.Keys, A.Shape.ValueWidth, Gradients.Values.Beta, values.At(0, 0), values.RowStride);
        }

        /// <summary>What a block of queries contributes, from its weights and the gradients of its scores.</summary>
        public readonly void AddGradients(
            float* scratch, int seedExample, int head, int first, int rows, int keys, float* weights, float* scores)
        {
            AttentionShape s = A.Shape;
            int example = seedExample % s.Examples;
            var p = new StridedMatrix(weights, keys, 1);
            var gradient = new StridedMatrix(scores, keys, 1);
            StridedMatrix outputs = Operand(Gradients.Outputs, seedExample, s.Queries, first, head, s.ValueWidth);
            StridedMatrix queries = Operand(A.Queries, example, s.Queries, first, head, s.KeyWidth);
            StridedMatrix allKeys = Operand(A.Keys, example, s.Keys, 0, head, s.KeyWidth);
            Multiply(
                scratch, keys, s.ValueWidth, rows, 1, p.Transposed, outputs, 1, Operand(Gradients.Values.Matrix, seedExample, s.Keys, 0, head, s.ValueWidth));
            Multiply(
                scratch, keys, s.KeyWidth, rows, 1, gradient.Transposed, queries, 1, Operand(Gradients.Keys.Matrix, seedExample, s.Keys, 0, head, s.KeyWidth));
            Multiply(
                scratch,
                rows,
                s.KeyWidth,
                keys,
                1,
                gradient,
                allKeys,
                Gradients.Queries.Beta,
                Operand(Gradients.Queries.Matrix, seedExample, s.Queries, first, head, s.KeyWidth));
        }

        public readonly void Multiply(
            float* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, StridedMatrix c) =>
            GemmCore.Multiply(_device.Vectors, scratch, m, n, k, alpha, a, b, beta, c.At(0, 0), c.RowStride);
    }
}
