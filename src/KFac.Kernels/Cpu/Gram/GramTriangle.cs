using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Columns of the lower triangle of a Gram matrix, on one thread, from rows that are read where they lie.</summary>
/// <remarks>
/// Both operands of a register tile are columns of the same rows of X, and rows are contiguous in memory, so nothing is
/// packed. A block of rows, as many as let a group of columns stay in the first-level cache and the block in the second, is
/// taken at a time; each group of up to three vectors of columns meets all columns below it, a tile's rows at a time. What
/// remains of the width after whole vectors, and a column of ones that is not in memory, are copied, padded by zeros, to a
/// strip one vector wide. The rows that follow are fetched while the tiles are computed.
/// <para>
/// The terms of an element are added in the order of the rows, within blocks of rows whose number depends on the width alone,
/// so the bits do not depend on which columns are asked for together.
/// </para>
/// <para>
/// Measured on one core of an AMD EPYC with AVX-512, shares of the FMA peak in the same run, X from memory: width 64 70%, 144 83%,
/// 300 84%, 384 87%, 768 88%; with lines fetched in bursts between the tiles and shorter blocks of rows 61, 73, 80, 82 and 86%. Of
/// width 64 the tiles across the diagonal could leave 79% at most, of 384 96%; a tile alone reaches 96%. Packed panels are as fast
/// from width 384 on and slower below (307 and 341 GF/s on two cores at 64).
/// </para>
/// </remarks>
internal static unsafe class GramTriangle<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int VectorsInGroup = 3;

    /// <summary>Rows in a block of narrow and of wide X.</summary>
    private const int RowsOfNarrow = 384;

    private const int RowsOfWide = 192;

    private const int WideColumns = 256;

    /// <summary>Width from which the result does not stay in the second-level cache, so that its tiles are fetched.</summary>
    private const int FetchedColumns = 512;

    /// <summary>Scratch that <see cref="Multiply"/> needs, at a 64-byte boundary.</summary>
    public static long ScratchBytes => RowsOfNarrow * TSimd.Count * sizeof(float);

    /// <summary>Groups of columns; 0 for an empty matrix.</summary>
    public static int Groups(GramRows rows) => WholeGroups(rows) + (Whole(rows) < rows.Width ? 1 : 0);

    /// <summary>The first column of a group, the width for the one after the last.</summary>
    public static int GroupStart(GramRows rows, int group)
    {
        int groups = WholeGroups(rows);
        return group < groups ? (int)((long)(Whole(rows) / TSimd.Count) * group / groups) * TSimd.Count
            : group == groups ? Whole(rows)
            : rows.Width;
    }

    /// <summary><c>C ← α·XᵀX + β·C</c> for some groups of columns, on and below the diagonal; a few elements above it, within a
    /// vector, are written too.</summary>
    /// <param name="scratch"><see cref="ScratchBytes"/> bytes.</param>
    public static void Multiply(float* scratch, GramRows rows, int firstGroup, int endGroup, float alpha, float beta, float* c, long ldc)
    {
        int size = rows.Width < WideColumns ? RowsOfNarrow : RowsOfWide;
        int start = GroupStart(rows, firstGroup);
        long tiles = Tiles(rows, firstGroup, endGroup);
        for (int first = 0; first < rows.Rows; first += size)
        {
            GramRows steps = rows.RowRange(first, Math.Min(size, rows.Rows - first));
            int following = Math.Min(size, rows.Rows - first - steps.Rows);
            var ahead = new LinesAhead(rows.X.From(first + steps.Rows, start), following, rows.Columns - start, tiles * steps.Rows);
            MultiplyBlock(scratch, steps, firstGroup, endGroup, alpha, first == 0 ? beta : 1, c, ldc, ref ahead);
        }
    }

    /// <summary>As <see cref="Multiply"/> for few rows, while other memory is fetched.</summary>
    public static void MultiplyBlock(
        float* scratch, GramRows rows, int firstGroup, int endGroup, float alpha, float beta, float* c, long ldc, ref LinesAhead ahead)
    {
        CopyStrip(scratch, rows);
        int whole = Whole(rows);
        var block = new Block((float*)rows.X.Data, rows.X.RowStride, rows.Rows, whole, rows.Width, scratch, new TileTarget(alpha, beta, c, ldc));
        for (int group = firstGroup; group < endGroup; group++)
        {
            int start = GroupStart(rows, group);
            block.Multiply(start, Math.Min(GroupStart(rows, group + 1), rows.Width) - start, ref ahead);
        }
    }

    /// <summary>Tiles of some groups; each has as many steps as there are rows.</summary>
    public static long Tiles(GramRows rows, int firstGroup, int endGroup)
    {
        long tiles = 0;
        for (int group = firstGroup; group < endGroup; group++)
        {
            tiles += (rows.Width - GroupStart(rows, group) + TTile.Rows - 1) / TTile.Rows;
        }

        return tiles;
    }

    /// <summary>Columns of X that make whole vectors.</summary>
    private static int Whole(GramRows rows) => rows.Columns - (rows.Columns % TSimd.Count);

    private static int WholeGroups(GramRows rows) => ((Whole(rows) / TSimd.Count) + VectorsInGroup - 1) / VectorsInGroup;

    private static void CopyStrip(float* strip, GramRows steps)
    {
        int whole = Whole(steps);
        if (whole == steps.Width)
        {
            return;
        }

        int rest = steps.Columns - whole;
        for (int p = 0; p < steps.Rows; p++)
        {
            TSimd.Store(TSimd.LoadPartial(steps.X.At(p, whole), rest), strip);
            if (steps.AppendOnes)
            {
                strip[rest] = 1;
            }

            strip += TSimd.Count;
        }
    }

    /// <param name="x">The rows, <paramref name="stride"/> elements apart.</param>
    /// <param name="steps">How many rows.</param>
    /// <param name="whole">Columns that are read where they lie; those from there to <paramref name="width"/> are in the strip.</param>
    /// <param name="all">Where the square of all columns is.</param>
    private readonly struct Block(float* x, long stride, int steps, int whole, int width, float* strip, TileTarget all)
    {
        /// <summary>A group of columns with themselves and all below. What the tiles of a group share stays in registers here: worked out for
        /// each tile it took 2% of the time at width 384.</summary>
        public void Multiply(int column, int columns, ref LinesAhead ahead)
        {
            int most = (columns + TSimd.Count - 1) / TSimd.Count;
            bool inStrip = column >= whole;
            float* b = inStrip ? strip : x + column;
            long strideB = inStrip ? TSimd.Count : stride;
            bool fetches = all.Beta != 0 && width >= FetchedColumns;
            for (int row = column; row < width; row += TTile.Rows)
            {
                int vectors = Math.Min(most, ((row - column) / TSimd.Count) + 1);
                TileTarget target = all.At(row, column);
                float* a = row < whole ? x + row : strip + (row - whole);
                long strideA = row < whole ? stride : TSimd.Count;
                int rows = Math.Min(TTile.Rows, width - row);
                if (fetches)
                {
                    LinesAhead.FetchTile(target.C, target.Ldc, rows, vectors * TSimd.Count);
                }

                if (rows == TTile.Rows && vectors * TSimd.Count <= columns)
                {
                    TTile.MultiplyFetching(rows, vectors, steps, a, strideA, b, strideB, target, ref ahead);
                }
                else
                {
                    MultiplyEdge(rows, Math.Min(vectors * TSimd.Count, columns), vectors, a, strideA, b, strideB, target, ref ahead);
                }
            }
        }

        [SkipLocalsInit]
        private void MultiplyEdge(
            int rows, int columns, int vectors, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead)
        {
            float* sums = stackalloc float[TTile.Rows * TTile.Columns];
            int computed = rows <= TTile.Rows / 2 ? TTile.Rows / 2 : TTile.Rows;
            TTile.MultiplyFetching(computed, vectors, steps, a, strideA, b, strideB, new TileTarget(1, 0, sums, TTile.Columns), ref ahead);
            TTile.Write(sums, rows, columns, target);
        }
    }
}
