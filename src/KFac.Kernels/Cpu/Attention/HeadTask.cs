namespace KFac.Kernels.Cpu;

/// <summary>What tasks of attention know of their job: operands, and who sees what.</summary>
internal unsafe struct HeadTask(CpuDevice device, AttentionArguments arguments)
{
    public readonly AttentionArguments A = arguments;
    public AttentionGradients Gradients;
    public readonly CpuDevice Device = device;

    public readonly (int Example, int Head) Head(int index) => (index / A.Shape.Heads, index % A.Shape.Heads);

    /// <summary>Keys of a sequence that are not padding.</summary>
    public readonly int Present(int example) => A.Mask.KeyCounts.Length == 0
        ? A.Shape.Keys
        : Math.Clamp(A.Mask.KeyCounts.Pointer[example], 0, A.Shape.Keys);

    /// <summary>How many of the first <paramref name="keys"/> keys a query sees.</summary>
    public readonly int Visible(int query, int keys) =>
        A.Mask.Causal ? Math.Clamp(query + 1 + A.Shape.Keys - A.Shape.Queries, 0, keys) : keys;

    /// <summary>The first query that sees a key, 0 or more; those after it do, too.</summary>
    public readonly int FirstQuery(int key) => A.Mask.Causal ? Math.Max(0, key + A.Shape.Queries - A.Shape.Keys) : 0;

    /// <summary>The task that this thread will probably take after this one, if all take as long; its heads' rows are fetched meanwhile.</summary>
    public readonly int Next(int index) => index + Device.Workers.Threads;

    public readonly float* LogSum(int example, int head, int query) =>
        A.LogSums.Pointer + ((((long)example * A.Shape.Queries) + query) * A.LogSums.RowStride) + head;

    /// <summary>Fetches what the backward pass of a task reads and writes, from row <paramref name="first"/> on, into the second-level
    /// cache; nothing where there is no such task.</summary>
    public readonly void Fetch(int index, int first, int rows)
    {
        (int seedExample, int head) = Head(index);
        if (seedExample < A.Shape.Examples * Gradients.Seeds)
        {
            int example = seedExample % A.Shape.Examples;
            Fetch(A.Queries, example, A.Shape.Queries, first, rows, head, A.Shape.KeyWidth);
            Fetch(A.Keys, example, A.Shape.Keys, first, rows, head, A.Shape.KeyWidth);
            Fetch(A.Values, example, A.Shape.Keys, first, rows, head, A.Shape.ValueWidth);
            Fetch(Gradients.Outputs, seedExample, A.Shape.Queries, first, rows, head, A.Shape.ValueWidth);
            Fetch(Gradients.Queries.Matrix, seedExample, A.Shape.Queries, first, rows, head, A.Shape.KeyWidth);
            Fetch(Gradients.Keys.Matrix, seedExample, A.Shape.Keys, first, rows, head, A.Shape.KeyWidth);
            Fetch(Gradients.Values.Matrix, seedExample, A.Shape.Keys, first, rows, head, A.Shape.ValueWidth);
        }
    }

    /// <summary>One head of one sequence, from row <paramref name="first"/> on.</summary>
    public static StridedMatrix Operand(MatrixView<float> all, int example, int rows, int first, int head, int width) => new(
        all.Pointer + ((((long)example * rows) + first) * all.RowStride) + ((long)head * width), all.RowStride, 1);

    private static void Fetch(MatrixView<float> all, int example, int count, int first, int rows, int head, int width)
    {
        StridedMatrix operand = Operand(all, example, count, first, head, width);
        for (int i = 0; i < Math.Min(rows, count - first); i++)
        {
            CacheLine.FetchFar(operand.At(i, 0), width);
        }
    }
}
