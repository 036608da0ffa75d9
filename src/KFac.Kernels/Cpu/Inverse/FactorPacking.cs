using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Brings a Cholesky factor from the panels of a sweep to the form in which solves read it, <see cref="PackedFactor"/>.</summary>
/// <remarks>A task is one block column of L: its rows are copied, every block of them turned for the block column of Lᵀ where it
/// belongs while it is in the cache, and the diagonal block is inverted.</remarks>
internal readonly unsafe struct FactorPacking<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private const int Block = CholeskySolve.Block;

    private readonly PanelTriangle<T, TTile> _source;
    private readonly PackedFactor _target;
    private readonly int* _status;

    private FactorPacking(PanelTriangle<T, TTile> source, PackedFactor target, int* status)
    {
        _source = source;
        _target = target;
        _status = status;
    }

    /// <summary>Copies the factor.</summary>
    /// <param name="workers">Null to stay on the calling thread; the bits are the same.</param>
    /// <returns>0, or 1 + the index of the first pivot whose reciprocal float32 cannot hold.</returns>
    public static int Run(PanelTriangle<T, TTile> source, PackedFactor target, WorkerPool? workers)
    {
        int status = int.MaxValue;
        var packing = new FactorPacking<T, TTile>(source, target, &status);
        if (workers is not null)
        {
            workers.Run(target.Blocks, &PackColumn, &packing);
        }
        else
        {
            for (int block = 0; block < target.Blocks; block++)
            {
                packing.PackColumn(block);
            }
        }

        return status == int.MaxValue ? 0 : status;
    }

    private static void PackColumn(void* context, int block) => ((FactorPacking<T, TTile>*)context)->PackColumn(block);

    private void PackColumn(int block)
    {
        InvertDiagonal(block);
        for (int row = block + 1; row < _target.Blocks; row++)
        {
            float* target = _target.Backward(block) + ((long)(row - block) * Block * Block);
            CopyBlock(row, block, target);
            Transpose(target, _target.Forward(row) + ((long)block * Block * Block));
        }
    }

    /// <summary>One block below the diagonal; rows beyond the matrix are zero.</summary>
    private void CopyBlock(int rowBlock, int columnBlock, float* target)
    {
        int first = rowBlock * Block;
        int rows = Math.Min(Block, _source.Size - first);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < Block; j += TTile.Columns)
            {
                T* row = _source.Panel(((columnBlock * Block) + j) / TTile.Columns, first + i);
                TTile.Write(row, TTile.Columns, target + (i * Block) + j, pastCaches: false);
            }
        }

        new Span<float>(target + (rows * Block), (Block - rows) * Block).Clear();
    }

    /// <summary><c>D = L_jj⁻¹</c> row by row, <c>d_i = (e_i − Σ_{k&lt;i} l_ik·d_k)/l_ii</c>, padded by the identity.</summary>
    [SkipLocalsInit]
    private void InvertDiagonal(int block)
    {
        T* inverse = stackalloc T[Block * Block];
        float* target = _target.Backward(block);
        int first = block * Block;
        for (int i = 0; i < Block; i++)
        {
            T* row = inverse + (i * Block);
            new Span<T>(row, Block).Clear();
            row[i] = T.One;
            if (first + i < _source.Size)
            {
                for (int k = 0; k < i; k++)
                {
                    AddScaled(row, -Element(first + i, first + k), inverse + (k * Block), k + 1);
                }

                T reciprocal = T.One / Element(first + i, first + i);
                Scale(row, reciprocal, i + 1);
                if (!float.IsFinite(float.CreateTruncating(reciprocal * reciprocal)))
                {
                    Report(first + i + 1);
                }
            }

            for (int j = 0; j < Block; j++)
            {
                target[(i * Block) + j] = float.CreateTruncating(row[j]);
            }
        }

        Transpose(target, _target.Forward(block) + ((long)block * Block * Block));
    }

    private T Element(int row, int column) => _source.Panel(column / TTile.Columns, row)[column % TTile.Columns];

    private void Report(int status)
    {
        int seen = Volatile.Read(ref *_status);
        while (status < seen)
        {
            seen = Interlocked.CompareExchange(ref *_status, status, seen);
        }
    }

    private static void Transpose(float* source, float* target) =>
        PanelTranspose<Simd128, Vector128<float>>.Run(target, Block, Block, Block, new StridedMatrix(source, 1, Block));

    /// <summary><c>y ← y + factor·x</c> for at least the first elements; what lies behind them in x is zero.</summary>
    private static void AddScaled(T* y, T factor, T* x, int count)
    {
        var scale = new Vector<T>(factor);
        for (int j = 0; j < count; j += Vector<T>.Count)
        {
            (Vector.Load(y + j) + (scale * Vector.Load(x + j))).Store(y + j);
        }
    }

    private static void Scale(T* y, T factor, int count)
    {
        for (int j = 0; j < count; j++)
        {
            y[j] *= factor;
        }
    }
}
