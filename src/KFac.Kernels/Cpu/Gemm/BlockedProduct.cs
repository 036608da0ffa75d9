namespace KFac.Kernels.Cpu;

/// <summary><see cref="GemmCore.Multiply"/> with one register tile: which blocks of A and B meet when, and where they lie.</summary>
/// <remarks>
/// Up to <see cref="GemmCore.ColumnBlock"/> columns of B by <see cref="GemmCore.ProductDepth"/> steps are packed to stay in the second-level
/// cache, and all rows of A pass by in groups as high as a panel is wide; a group meets one panel after the other. Rows of A are
/// read where they lie, eight streams at a time; an A that lies column by column is packed group by group, and fetched ahead
/// by the tiles of the group before (4 to 11% of a weight gradient's time). The next block of B is fetched by tiles of rows that are
/// read where they lie (1 to 5% at 256×2304×2304). B's panels are packed
/// when the first group meets them, those of a B that lies row by row by the tile itself where A is packed. The terms of an element
/// are added in the order of k, within equal blocks of at most <see cref="GemmCore.ProductDepth"/>, whatever part of C is asked for, so
/// cutting C up at whole vectors changes no bit. A last column that would be alone in its vector, as that of a bias is, is an inner product
/// with rows of A that are in the caches (192×193×193 10% faster, all of a small vision transformer's preconditioning 4 to 7%).
/// <para>
/// Measured on two cores of an AMD EPYC with AVX-512, shares of the FMA peak: 1024³ 90 to 92%, 512×1000×1000 NT 90%,
/// 100×1000×784 NT 84%. The roles the other way round (a block of A kept, panels of B passing, lines fetched ahead) gave 80, 75 and
/// 67%: packing A took 3% of the time, fetching ahead 4%, and B was packed once for every 480 rows. Depths of 192, 256 and 512 lose
/// 1 to 4% to 384; cutting C for the threads at whole panels lost another 2 to 4%.
/// </para>
/// </remarks>
internal readonly unsafe struct BlockedProduct<TTile>(
    float* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc)
    where TTile : struct, IGemmTile
{
    /// <summary>Steps of k between lines of B's next block that are fetched ahead; with fewer, as for 100 rows, fetching takes the time that
    /// it saves.</summary>
    private const int FewestStepsPerLine = 8;

    private static int VectorLength => TTile.Columns / 3;

    private float* GroupA => scratch + (GemmCore.ColumnBlock * GemmCore.ProductDepth);

    /// <summary>The last column's part of B, without gaps.</summary>
    private float* LoneColumn => GroupA + (GemmCore.WidestPanel * GemmCore.ProductDepth);

    /// <summary>Whether the last column would be alone in a vector, and is taken as inner products with rows of A instead.</summary>
    private bool HasLoneColumn => a.ColumnStride == 1 && n % VectorLength == 1;

    /// <summary>Columns that tiles compute.</summary>
    private int TileColumns => HasLoneColumn ? n - 1 : n;

    public void Multiply()
    {
        int width = GemmCore.EvenPart(TileColumns, GemmCore.ColumnBlock, TTile.Columns);
        int depth = GemmCore.EvenPart(k, GemmCore.ProductDepth, 1);
        int column = 0;
        do
        {
            for (int first = 0; first < k; first += depth)
            {
                Multiply(column, Math.Min(width, TileColumns - column), first, Math.Min(depth, k - first));
            }

            column += width;
        }
        while (column < TileColumns);
    }

    /// <summary>All rows of A, a group of them at a time, meet a block of B that is packed with the first group.</summary>
    private void Multiply(int column, int columns, int first, int steps)
    {
        float update = first == 0 ? beta : 1;
        bool takesLoneColumn = HasLoneColumn && column + columns == TileColumns;
        if (takesLoneColumn)
        {
            CopyLoneColumn(first, steps);
        }

        LinesAhead nextBlock = AheadOfBlock(column, columns, first, steps);
        for (int row = 0; row < m; row += TTile.Columns)
        {
            int rows = Math.Min(TTile.Columns, m - row);
            LinesAhead ahead = AheadOfGroup(row, rows, columns, first, steps);
            bool whereTheyLie = a.ColumnStride == 1 && rows >= TTile.Rows / 2;
            if (!whereTheyLie)
            {
                TTile.Pack(GroupA, steps, rows, a.From(row, first).Transposed);
            }

            for (int offset = 0; offset < columns; offset += TTile.Columns)
            {
                int width = Math.Min(TTile.Columns, columns - offset);
                float* panel = scratch + ((long)offset * steps);
                float* target = c + (row * ldc) + column + offset;
                if (row == 0 && TryMultiplyPacking(rows, first, steps, column + offset, width, whereTheyLie, panel, update, target))
                {
                    continue;
                }

                if (whereTheyLie)
                {
                    GemmBlock<TTile>.MultiplyRows(
                        rows, width, steps, alpha, a.At(row, first), a.RowStride, panel, update, target, ldc, ref nextBlock);
                }
                else
                {
                    GemmBlock<TTile>.Multiply(rows, width, steps, alpha, GroupA, panel, update, target, ldc, ref ahead);
                }
            }

            if (takesLoneColumn)
            {
                var target = new TileTarget(alpha, update, c + (row * ldc) + n - 1, ldc);
                TTile.MultiplyColumn(rows, steps, a.At(row, first), a.RowStride, LoneColumn, target);
            }
        }
    }

    private void CopyLoneColumn(int first, int steps)
    {
        StridedMatrix source = b.From(first, n - 1);
        for (int p = 0; p < steps; p++)
        {
            LoneColumn[p] = *source.At(p, 0);
        }
    }

    /// <summary>The group of an A that lies column by column that is packed after the one at <paramref name="row"/>.</summary>
    private LinesAhead AheadOfGroup(int row, int rows, int columns, int first, int steps)
    {
        if (a.ColumnStride == 1)
        {
            return default;
        }

        bool isLast = row + TTile.Columns >= m;
        int nextRow = isLast ? 0 : row + TTile.Columns;
        int nextFirst = isLast ? first + steps : first;
        int tiles = GemmBlock<TTile>.Tiles(rows) * GemmCore.CeilingDivide(columns, TTile.Columns);
        return new LinesAhead(
            a.From(nextRow, nextFirst).Transposed, Math.Min(steps, k - nextFirst), Math.Min(TTile.Columns, m - nextRow), (long)tiles * steps);
    }

    /// <summary>The block of B that is packed after the one at (<paramref name="first"/>, <paramref name="column"/>), where rows of A are
    /// read where they lie.</summary>
    private LinesAhead AheadOfBlock(int column, int columns, int first, int steps)
    {
        bool isLast = first + steps >= k;
        int nextColumn = isLast ? column + columns : column;
        int nextFirst = isLast ? 0 : first + steps;
        if (a.ColumnStride != 1 || nextColumn >= n)
        {
            return default;
        }

        long tiles = (long)(m / TTile.Rows) * (columns / TTile.Columns);
        var ahead = new LinesAhead(
            b.From(nextFirst, nextColumn), Math.Min(steps, k - nextFirst), Math.Min(columns, n - nextColumn), tiles * steps);
        return ahead.StepsPerLine < FewestStepsPerLine ? default : ahead;
    }

    /// <summary>Packs a panel of B; false where that is all, true where the tiles of the first group were computed, too.</summary>
    private bool TryMultiplyPacking(
        int rows, int first, int steps, int column, int columns, bool whereTheyLie, float* panel, float update, float* target)
    {
        StridedMatrix source = b.From(first, column);
        if (whereTheyLie || source.ColumnStride != 1 || columns < TTile.Columns)
        {
            TTile.Pack(panel, steps, columns, source);
            return false;
        }

        LinesAhead none = default;
        GemmBlock<TTile>.MultiplyPacking(
            rows, steps, alpha, GroupA, (float*)source.Data, source.RowStride, panel, update, target, ldc, ref none, isAll: rows == m);
        return true;
    }
}
