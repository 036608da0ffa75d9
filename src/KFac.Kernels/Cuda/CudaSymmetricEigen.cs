namespace KFac.Kernels.Cuda;

/// <summary><see cref="SymmetricEigen"/> on the GPU: block Jacobi over all matrices together, symmetric_eigen.cuh.</summary>
/// <remarks>
/// Items are sorted by size and taken in groups of at most <see cref="SymmetricEigenItems.Length"/>, which is what one kernel's
/// arguments hold; matrices of up to <see cref="NarrowSize"/> rows go by pairs of 32 rows, larger ones by pairs of 64. A group takes
/// two launches a round for as many rounds as its largest matrix may need; the device itself sees when a matrix is done, so the
/// rest of its launches end at once. Nothing waits for the device.
/// </remarks>
internal sealed unsafe class CudaSymmetricEigen(CudaStream stream) : ISymmetricEigenKernel
{
    private const string Module = "symmetric_eigen";
    private const string FinishModule = "symmetric_eigen_finish";
    private const int NarrowSize = 128;
    private const int Strip = 32;
    private const int Threads = 256;
    private const int TurnThreads = 128;

    /// <summary>Four are resident at a time where pairs have 64 rows (128 registers a thread); more blocks than that even out what tiles cost.</summary>
    private const int TurnBlocksPerMultiprocessor = 24;
    private const int StateBytes = sizeof(int) * (5 + MostSweeps);
    private const int MostSweeps = 20;

    /// <summary>Up to this size a previous basis is not looked at, as on the CPU.</summary>
    private const int SmallestWarm = 32;

    public void Run(
        ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status, VectorView<EigenOutcome> outcomes, EigenWarmStart warmStart)
    {
        Span<int> order = items.Length <= LargestFirst.OnStack ? stackalloc int[items.Length] : new int[items.Length];
        LargestFirst.Sort(items, static item => item.Matrix.Rows, order);
        for (int first = 0; first < order.Length;)
        {
            bool narrow = items[order[first]].Matrix.Rows <= NarrowSize;
            int end = first + 1;
            while (end < order.Length && end - first < SymmetricEigenItems.Length && items[order[end]].Matrix.Rows <= NarrowSize == narrow)
            {
                end++;
            }

            RunGroup(items, order[first..end], status, outcomes, warmStart, narrow ? 32 : 64);
            first = end;
        }
    }

    private void RunGroup(
        ReadOnlySpan<SymmetricEigenItem> items,
        ReadOnlySpan<int> group,
        VectorView<int> status,
        VectorView<EigenOutcome> outcomes,
        EigenWarmStart warmStart,
        int width)
    {
        using CudaScratch.Scope scope = stream.Scratch.Open();
        nint states = scope.Take((long)group.Length * StateBytes);
        stream.Queue.Fill(states, 0, (long)group.Length * StateBytes);
        var arguments = new SymmetricEigenArguments
        {
            Count = group.Length,
            Width = width,
            Polish = width > 32 ? 1 : 0,
            Tolerance = warmStart.Tolerance,
            KeepBelow = warmStart.KeepBelow,
        };
        int pairs = 0;
        for (int i = 0; i < group.Length; i++)
        {
            SymmetricEigenItem item = items[group[i]];
            var target = new SymmetricEigenTarget(
                (nint)(status.Pointer + group[i]), outcomes.IsEmpty ? 0 : (nint)(outcomes.Pointer + group[i]), states + (i * StateBytes), width, pairs, arguments.Tiles);
            var kernelItem = new SymmetricEigenKernelItem(scope, item, target, item.Matrix.Rows > SmallestWarm, arguments.Polish != 0);
            arguments.Items[i] = kernelItem;
            pairs = checked(pairs + kernelItem.Pairs);
            arguments.Tiles = checked(arguments.Tiles + kernelItem.Tiles);
        }

        // A pair that is all of its matrix goes through its sweeps in one launch; a second one finds nothing left to do.
        arguments.Sweeps = arguments.Items[0].Pairs == 1 ? 3 : MostSweeps;
        Load(scope, items, group, arguments);
        Rotate(arguments, pairs);
        if (arguments.Polish != 0)
        {
            Polish(scope, group.Length, arguments);
        }

        int size = items[group[0]].Matrix.Rows;
        stream.Queue.Launch(FinishModule, "symmetric_eigen_order", PerItem(Math.Max(1, LaunchShape.Cover(size, Threads)), group.Length), arguments);
        stream.Queue.Launch(FinishModule, "symmetric_eigen_store", PerItem(Math.Max(1, LaunchShape.Cover(size, Strip)), group.Length), arguments);
    }

    /// <summary>A, V and the threshold of every matrix, and the bases that serve.</summary>
    private void Load(CudaScratch.Scope scope, ReadOnlySpan<SymmetricEigenItem> items, ReadOnlySpan<int> group, in SymmetricEigenArguments arguments)
    {
        int strips = Math.Max(1, arguments.Items[0].Pairs * arguments.Width / Strip);
        LaunchShape perStrip = PerItem(strips, group.Length);
        stream.Queue.Launch(Module, "symmetric_eigen_largest", perStrip, arguments);
        stream.Queue.Launch(Module, "symmetric_eigen_load", PerItem(checked(strips * strips), group.Length), arguments);
        stream.Queue.Launch(Module, "symmetric_eigen_squares", perStrip, arguments);
        bool warm = false;
        for (int i = 0; i < group.Length; i++)
        {
            if (arguments.Items[i].Previous != 0)
            {
                Try(scope, items[group[i]].Previous, arguments.Items[i], arguments.Width);
                warm = true;
            }
        }

        if (warm)
        {
            stream.Queue.Launch(Module, "symmetric_eigen_try", perStrip, arguments);
        }

        stream.Queue.Launch(Module, "symmetric_eigen_decide", LaunchShape.Row(group.Length, 32), arguments);
        if (warm)
        {
            stream.Queue.Launch(Module, "symmetric_eigen_accept", perStrip, arguments);
        }
    }

    /// <summary>A in the previous basis V: VᵀAV, and VᵀV.</summary>
    private void Try(CudaScratch.Scope scope, MatrixView<float> previous, in SymmetricEigenKernelItem item, int width)
    {
        int size = previous.Rows;
        int stride = item.Pairs * width;
        MatrixView<float> matrix = scope.View(item.A, size, size, stride);
        MatrixView<float> trial = scope.View(item.Trial, size, size, stride);
        MatrixView<float> gram = scope.View(item.Gram, size, size, stride);
        Multiply(Transpose.No, matrix, previous, gram);
        Multiply(Transpose.Yes, previous, gram, trial);
        Multiply(Transpose.Yes, previous, previous, gram);
    }

    private void Multiply(Transpose transposeA, MatrixView<float> a, MatrixView<float> b, MatrixView<float> c) =>
        stream.Kernels.Gemm!.Run(new GemmArguments(transposeA, Transpose.No, 1, a, b, 0, c, 1, c.Rows, c.Columns, c.Rows));

    private void Rotate(SymmetricEigenArguments arguments, int pairs)
    {
        int turnBlocks = Math.Min(arguments.Tiles, stream.Properties.Multiprocessors * TurnBlocksPerMultiprocessor);
        (string pair, string turn) = arguments.Width == 32
            ? ("symmetric_eigen_pair_32", "symmetric_eigen_turn_32")
            : ("symmetric_eigen_pair_64", "symmetric_eigen_turn_64");
        int rounds = (2 * arguments.Items[0].Pairs) - 1;
        for (arguments.Step = 0; arguments.Step < rounds * arguments.Sweeps; arguments.Step++)
        {
            stream.Queue.Launch("symmetric_eigen_pair", pair, LaunchShape.Row(pairs, Threads), arguments);
            stream.Queue.Launch("symmetric_eigen_turn", turn, LaunchShape.Row(turnBlocks, TurnThreads), arguments);
        }
    }

    /// <summary>V·(I − VᵀV)/2 of every matrix, which the vectors get added as they are stored.</summary>
    private void Polish(CudaScratch.Scope scope, int count, in SymmetricEigenArguments arguments)
    {
        int strips = arguments.Items[0].Pairs * arguments.Width / Strip;
        stream.Queue.Launch(FinishModule, "symmetric_eigen_unit", PerItem(strips, count), arguments);
        for (int i = 0; i < count; i++)
        {
            SymmetricEigenKernelItem item = arguments.Items[i];
            int stride = item.Pairs * arguments.Width;
            MatrixView<float> gram = scope.View(item.Gram, item.Size, item.Size, stride);
            using CudaScratch.Scope inner = stream.Scratch.Open();
            ((CudaGram)stream.Kernels.Gram!).Accumulate(inner, new GramRows(item.V, stride, item.Size, item.Size), -0.5f, 1, gram);
            Multiply(Transpose.No, scope.View(item.V, item.Size, item.Size, stride), gram, scope.View(item.Trial, item.Size, item.Size, stride));
        }
    }

    private static LaunchShape PerItem(int blocks, int items) => new(blocks, items, 1, Threads);
}
