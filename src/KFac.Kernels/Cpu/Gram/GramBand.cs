namespace KFac.Kernels.Cpu;

/// <summary>Rows <c>start</c> to <c>end</c> of the lower triangle of a Gram matrix, on one thread.</summary>
/// <remarks>The band's own columns of X are packed into a block that stays in the second-level cache and serves both sides of
/// the product on the diagonal; the columns left of the band pass by as panels. Each panel is packed by the first tile that
/// reads it, and its lines are fetched while the tiles before are computed, so that neither costs time of its own.</remarks>
internal static unsafe class GramBand<TTile>
    where TTile : struct, IGemmTile
{
    /// <summary>Computes the band; elements above the diagonal, in tiles that lie across it, are left undefined.</summary>
    /// <param name="scratch"><see cref="GemmCore.ScratchBytes"/> bytes.</param>
    public static void Multiply(
        float* scratch, GramRows rows, int start, int end, float alpha, float beta, float* c, long ldc)
    {
        int height = GemmCore.EvenPart(end - start, GemmCore.RowBlock, TTile.Columns);
        int depth = GemmCore.EvenPart(rows.Rows, GemmCore.DepthBlock, 1);
        for (int row = start; row < end; row += height)
        {
            for (int first = 0; first < rows.Rows; first += depth)
            {
                GramRows steps = rows.RowRange(first, Math.Min(depth, rows.Rows - first));
                GramRows next = rows.RowRange(first + steps.Rows, Math.Min(depth, rows.Rows - first - steps.Rows));
                new Block(scratch, steps, next, row, Math.Min(height, end - row), alpha, first == 0 ? beta : 1, c + (row * ldc), ldc).Multiply();
            }
        }
    }

    /// <summary>Some rows of the band over one depth block.</summary>
    /// <param name="next">The rows of X that come after.</param>
    private readonly struct Block(
        float* own, GramRows steps, GramRows next, int row, int count, float alpha, float beta, float* c, long ldc)
    {
        /// <summary>Whether the elements of a row of X are neighbours, as the tiles that pack must have it.</summary>
        private bool LiesByRows => steps.X.ColumnStride == 1;

        private float* Passing => own + (GemmCore.RowBlock * GemmCore.DepthBlock);

        public void Multiply()
        {
            // Where nothing passes, the whole of the next block is fetched evenly; else each panel during the one before.
            LinesAhead ahead = row == 0 ? new LinesAhead(next.X, next.Rows, Math.Min(count, next.Columns), (long)OwnTiles() * steps.Rows) : default;
            for (int offset = 0; offset < count; offset += TTile.Columns)
            {
                MultiplyOwn(offset, Math.Min(TTile.Columns, count - offset), ref ahead);
            }

            for (int column = 0; column < row; column += TTile.Columns)
            {
                ahead = column + TTile.Columns < row
                    ? Ahead(steps, column + TTile.Columns, GemmBlock<TTile>.Tiles(count) * steps.Rows)
                    : Ahead(next, row, GemmBlock<TTile>.Tiles(count) * steps.Rows);
                if (!LiesByRows)
                {
                    Pack(Passing, column, TTile.Columns);
                    GemmBlock<TTile>.Multiply(count, TTile.Columns, steps.Rows, alpha, own, Passing, beta, c + column, ldc, ref ahead);
                    continue;
                }

                float* x = steps.X.At(0, column);
                GemmBlock<TTile>.MultiplyPacking(count, steps.Rows, alpha, own, x, steps.X.RowStride, Passing, beta, c + column, ldc, ref ahead, isAll: true);
            }
        }

        /// <summary>A panel of the block's own columns: packed, multiplied with itself and with those before it.</summary>
        private void MultiplyOwn(int offset, int columns, ref LinesAhead ahead)
        {
            float* panel = own + ((long)offset * steps.Rows);
            float* target = c + (offset * ldc) + row;
            if (row > 0)
            {
                ahead = AheadOfOwn(offset, GemmBlock<TTile>.Tiles(columns) * ((offset / TTile.Columns) + 1) * steps.Rows);
            }

            if (LiesByRows && row + offset + TTile.Columns <= steps.Columns && columns == TTile.Columns)
            {
                float* x = steps.X.At(0, row + offset);
                GemmBlock<TTile>.MultiplyDiagonalPacking(steps.Rows, alpha, x, steps.X.RowStride, panel, beta, target + offset, ldc, ref ahead);
            }
            else
            {
                Pack(panel, row + offset, columns);
                GemmBlock<TTile>.MultiplyDiagonal(columns, steps.Rows, alpha, panel, beta, target + offset, ldc, ref ahead);
            }

            for (int before = 0; before < offset; before += TTile.Columns)
            {
                float* other = own + ((long)before * steps.Rows);
                GemmBlock<TTile>.Multiply(columns, TTile.Columns, steps.Rows, alpha, panel, other, beta, target + before, ldc, ref ahead);
            }
        }

        /// <summary>Tiles of the triangle that the block's own columns make.</summary>
        private int OwnTiles()
        {
            int panels = (count + TTile.Columns - 1) / TTile.Columns;
            return GemmBlock<TTile>.Tiles(TTile.Columns) * panels * (panels + 1) / 2;
        }

        /// <summary>What is packed after the own panel at <paramref name="offset"/>: the next own one, or the first that passes.</summary>
        private LinesAhead AheadOfOwn(int offset, long tileSteps) => offset + TTile.Columns < count
            ? Ahead(steps, row + offset + TTile.Columns, tileSteps)
            : Ahead(steps, 0, tileSteps);

        private static LinesAhead Ahead(GramRows rows, int column, long tileSteps) =>
            new(rows.X.From(0, column), rows.Rows, Math.Clamp(rows.Columns - column, 0, TTile.Columns), tileSteps);

        /// <summary>Packs columns of X; the one after X's last is ones.</summary>
        private void Pack(float* panel, int column, int columns)
        {
            int present = Math.Min(columns, steps.Columns - column);
            TTile.Pack(panel, steps.Rows, present, steps.X.From(0, column));
            if (present < columns)
            {
                for (int p = 0; p < steps.Rows; p++)
                {
                    panel[((long)p * TTile.Columns) + present] = 1;
                }
            }
        }
    }
}
