namespace KFac.Kernels.Cpu;

/// <summary>The products of <see cref="BlockedAttention"/>.</summary>
internal static unsafe class BlockProducts
{
    /// <summary>Queries whose scores are formed at a time.</summary>
    public const int QueryBlock = 64;

    /// <summary>Elements at the start of a task's scratch that its products use.</summary>
    public static long ProductScratch => GemmCore.ScratchBytes / sizeof(float);

    public static int Blocks(int queries) => (queries + QueryBlock - 1) / QueryBlock;

    /// <summary>Scratch for products, so many matrices of a block's scores, and a number for each query.</summary>
    public static ScratchLease RentScratch(this in HeadTask task, int matrices) =>
        task.Device.Scratch.Rent((ProductScratch + (matrices * (long)QueryBlock * task.A.Shape.Keys) + QueryBlock) * sizeof(float));

    /// <summary>The first query of a block, how many there are, and how many keys the last of them sees.</summary>
    public static (int First, int Rows, int Keys) Block(this in HeadTask task, int example, int block)
    {
        int first = block * QueryBlock;
        int rows = Math.Min(QueryBlock, task.A.Shape.Queries - first);
        return (first, rows, task.Visible(first + rows - 1, task.Present(example)));
    }

    /// <summary><c>scale·Q·Kᵀ</c> of a block of queries and the first <paramref name="keys"/> keys, without gaps.</summary>
    public static void Scores(this in HeadTask task, float* scratch, int example, int head, int first, int rows, int keys, float* scores) => task.Multiply(
        scratch,
        rows,
        keys,
        task.A.Shape.KeyWidth,
        task.A.Scale,
        HeadTask.Operand(task.A.Queries, example, task.A.Shape.Queries, first, head, task.A.Shape.KeyWidth),
        HeadTask.Operand(task.A.Keys, example, task.A.Shape.Keys, 0, head, task.A.Shape.KeyWidth).Transposed,
        0,
        new StridedMatrix(scores, keys, 1));

    /// <summary>Multiplies what the gradients of keys and values held by their betas, so that blocks can be added.</summary>
    public static void ScaleKeyGradients(this in HeadTask task, int seedExample, int head)
    {
        StridedMatrix keys = HeadTask.Operand(task.Gradients.Keys.Matrix, seedExample, task.A.Shape.Keys, 0, head, task.A.Shape.KeyWidth);
        StridedMatrix values = HeadTask.Operand(task.Gradients.Values.Matrix, seedExample, task.A.Shape.Keys, 0, head, task.A.Shape.ValueWidth);
        GemmCore.Scale(task.A.Shape.Keys, task.A.Shape.KeyWidth, task.Gradients.Keys.Beta, keys.At(0, 0), keys.RowStride);
        GemmCore.Scale(task.A.Shape.Keys, task.A.Shape.ValueWidth, task.Gradients.Values.Beta, values.At(0, 0), values.RowStride);
    }

    /// <summary>What a block of queries contributes, from its weights and the gradients of its scores.</summary>
    public static void AddGradients(
        this in HeadTask task, float* scratch, int seedExample, int head, int first, int rows, int keys, float* weights, float* scores)
    {
        AttentionShape s = task.A.Shape;
        int example = seedExample % s.Examples;
        var p = new StridedMatrix(weights, keys, 1);
        var gradient = new StridedMatrix(scores, keys, 1);
        StridedMatrix outputs = HeadTask.Operand(task.Gradients.Outputs, seedExample, s.Queries, first, head, s.ValueWidth);
        StridedMatrix queries = HeadTask.Operand(task.A.Queries, example, s.Queries, first, head, s.KeyWidth);
        StridedMatrix allKeys = HeadTask.Operand(task.A.Keys, example, s.Keys, 0, head, s.KeyWidth);
        task.Multiply(
            scratch, keys, s.ValueWidth, rows, 1, p.Transposed, outputs, 1, HeadTask.Operand(task.Gradients.Values.Matrix, seedExample, s.Keys, 0, head, s.ValueWidth));
        task.Multiply(
            scratch, keys, s.KeyWidth, rows, 1, gradient.Transposed, queries, 1, HeadTask.Operand(task.Gradients.Keys.Matrix, seedExample, s.Keys, 0, head, s.KeyWidth));
        task.Multiply(
            scratch,
            rows,
            s.KeyWidth,
            keys,
            1,
            gradient,
            allKeys,
            task.Gradients.Queries.Beta,
            HeadTask.Operand(task.Gradients.Queries.Matrix, seedExample, s.Queries, first, head, s.KeyWidth));
    }

    public static void Multiply(
        this in HeadTask task, float* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, StridedMatrix c) =>
        GemmCore.Multiply(task.Device.Vectors, scratch, m, n, k, alpha, a, b, beta, c.At(0, 0), c.RowStride);
}
