namespace KFac.Kernels.Cpu;

/// <summary>Applies the reflectors of a tridiagonal reduction to the columns of a matrix: <c>C ← H₀·H₁·…·H_{n−2}·C</c>.</summary>
/// <remarks>
/// Blocks of <see cref="BlockRows"/> reflectors are accumulated as <c>I − V·T·Vᵀ</c> (Schreiber and Van Loan, 1989), so that
/// all arithmetic on C is matrix products. Columns of C are independent: each task takes a run of them through all blocks.
/// </remarks>
internal readonly unsafe struct ReflectorBlocks
{
    private const int BlockRows = 64;

    private readonly CpuDevice _device;
    private readonly int _n;
    private readonly float* _rows;
    private readonly long _stride;
    private readonly float* _tau;
    private readonly float* _triangles;

    /// <param name="rows">Reflector j in row j from column j + 1 on; what lies left of that is overwritten.</param>
    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public ReflectorBlocks(CpuDevice device, int n, float* rows, long stride, float* tau, void* memory)
    {
        _device = device;
        _n = n;
        _rows = rows;
        _stride = stride;
        _tau = tau;
        _triangles = (float*)memory;
    }

    /// <summary>Number of blocks.</summary>
    public int Count => (_n + BlockRows - 1) / BlockRows;

    public static long ScratchBytes(int n) => (long)(((n + BlockRows - 1) / BlockRows) * BlockRows * BlockRows) * sizeof(float);

    /// <summary>Scratch of <see cref="Apply"/> on so many columns.</summary>
    public static long ApplyScratchBytes(int columns) => GemmCore.ScratchBytes + (2L * BlockRows * columns * sizeof(float));

    /// <summary>Computes T of one block: <c>T⁻¹</c> has τ⁻¹ on its diagonal and VᵀV above it.</summary>
    public void Prepare(int block)
    {
        int start = block * BlockRows;
        int count = Math.Min(BlockRows, _n - start);
        for (int i = 0; i < count; i++)
        {
            new Span<float>(_rows + ((start + i) * _stride) + start, i + 1).Clear();
        }

        float* gram = stackalloc float[BlockRows * BlockRows];
        StridedMatrix v = Rows(start);
        using ScratchLease lease = _device.Scratch.Rent(GemmCore.ScratchBytes);
        GemmCore.Multiply(_device.Vectors, lease.As<byte>(), count, count, _n - start, 1, v, v.Transposed, 0, gram, BlockRows);
        float* t = _triangles + ((long)block * BlockRows * BlockRows);
        new Span<float>(t, BlockRows * BlockRows).Clear();
        for (int j = 0; j < count; j++)
        {
            AppendColumn(t, gram, j, _tau[start + j]);
        }
    }

    /// <summary>Applies all reflectors, the last first, to <paramref name="columns"/> columns.</summary>
    public void Apply(float* c, long ldc, int columns, void* memory)
    {
        float* product = (float*)((byte*)memory + GemmCore.ScratchBytes);
        float* turned = product + ((long)BlockRows * columns);
        for (int block = Count - 1; block >= 0; block--)
        {
            int start = block * BlockRows;
            int count = Math.Min(BlockRows, _n - start);
            StridedMatrix v = Rows(start);
            var target = new StridedMatrix(c + (start * ldc), ldc, 1);
            var t = new StridedMatrix(_triangles + ((long)block * BlockRows * BlockRows), BlockRows, 1);
            Multiply(memory, count, columns, _n - start, 1, v, target, 0, product, columns);
            Multiply(memory, count, columns, count, 1, t, new StridedMatrix(product, columns, 1), 0, turned, columns);
            Multiply(memory, _n - start, columns, count, -1, v.Transposed, new StridedMatrix(turned, columns, 1), 1, c + (start * ldc), ldc);
        }
    }

    private StridedMatrix Rows(int start) => new(_rows + (start * _stride) + start, _stride, 1);

    private void Multiply(
        void* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc) =>
        GemmCore.Multiply(_device.Vectors, scratch, m, n, k, alpha, a, b, beta, c, ldc);

    /// <summary>Column j of T is <c>−τ_j·T·(VᵀV)_j</c> above the diagonal and τ_j on it.</summary>
    private static void AppendColumn(float* t, float* gram, int j, float tau)
    {
        for (int i = 0; i < j; i++)
        {
            float sum = 0;
            for (int k = i; k < j; k++)
            {
                sum += t[(i * BlockRows) + k] * gram[(k * BlockRows) + j];
            }

            t[(i * BlockRows) + j] = -tau * sum;
        }

        t[(j * BlockRows) + j] = tau;
    }
}
