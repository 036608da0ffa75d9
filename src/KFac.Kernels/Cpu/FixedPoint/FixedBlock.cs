using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Some rows of a product's left operand in 16-bit integers, against panels of the right one.</summary>
internal readonly unsafe struct FixedBlock
{
    private const int BlockPairs = FixedScale.BlockSteps / 2;

    /// <summary>A, whole tiles of rows of which can be read.</summary>
    public required int* A { get; init; }

    public required int Rows { get; init; }

    /// <summary>Elements from a row to the next.</summary>
    public required long RowStep { get; init; }

    /// <summary>Elements from a pair of steps of k to the next.</summary>
    public required long PairStep { get; init; }

    /// <summary>What an integer stands for in each row, whole tiles of which can be read.</summary>
    public required float* Units { get; init; }

    /// <summary>Squared norms of A's blocks of steps of k, where there are some that may be left out.</summary>
    public float* Squares { get; init; }

    /// <summary>A block is left out whose squared norm times that of B's is at most this.</summary>
    public float Negligible { get; init; }

    /// <summary><c>C ← C + AB</c> for the columns of one panel of B.</summary>
    public void MultiplyAdd(FixedPanels b, int panel, float* c, long ldc)
    {
        int columns = b.Width(panel);
        for (int first = 0; first < b.Pairs; first += BlockPairs)
        {
            if (Squares is not null && Squares[first / BlockPairs] * b.Squares(panel)[first / BlockPairs] <= Negligible)
            {
                continue;
            }

            int pairs = Math.Min(BlockPairs, b.Pairs - first);
            int* right = b.Panel(panel) + ((long)first * FixedTile.Columns);
            for (int i = 0; i < Rows; i += FixedTile.Rows)
            {
                int* left = A + (i * RowStep) + (first * PairStep);
                var target = new FixedTarget(c + (i * ldc), ldc, Units + i, b.Units(panel));
                int rows = Math.Min(FixedTile.Rows, Rows - i);
                if (rows == FixedTile.Rows && columns == FixedTile.Columns)
                {
                    FixedTile.MultiplyAdd(pairs, left, RowStep, PairStep, right, target);
                }
                else
                {
                    MultiplyAddEdge(rows, columns, pairs, left, right, target);
                }
            }
        }
    }

    /// <summary>A tile that C has only part of.</summary>
    [SkipLocalsInit]
    private void MultiplyAddEdge(int rows, int columns, int pairs, int* left, int* right, in FixedTarget target)
    {
        float* sums = stackalloc float[FixedTile.Rows * FixedTile.Columns];
        new Span<float>(sums, FixedTile.Rows * FixedTile.Columns).Clear();
        FixedTile.MultiplyAdd(
            pairs, left, RowStep, PairStep, right, new FixedTarget(sums, FixedTile.Columns, target.RowUnits, target.ColumnUnits));
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                target.C[(i * target.Ldc) + j] += sums[(i * FixedTile.Columns) + j];
            }
        }
    }
}
