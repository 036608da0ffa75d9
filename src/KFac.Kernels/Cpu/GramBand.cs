namespace KFac.Kernels.Cpu;

/// <summary>Rows <c>start</c> to <c>end</c> of the lower triangle of a Gram matrix, on one thread.</summary>
/// <remarks>The band's own columns of X are packed into a block that stays in the second-level cache and serves both sides of
/// the product on the diagonal; the columns left of the band pass by as panels that stay in the first-level cache.</remarks>
internal static unsafe class GramBand<TTile>
    where TTile : struct, IGemmTile
{
    /// <summary>Computes the band; elements above the diagonal, in tiles that lie across it, are left undefined.</summary>
    /// <param name="scratch"><see cref="GemmCore.ScratchBytes"/> bytes.</param>
    public static void Multiply(
        float* scratch, GramRows rows, int start, int end, float alpha, float beta, float* c, long ldc)
    {
        for (int row = start; row < end; row += GemmCore.RowBlock)
        {
            int count = Math.Min(GemmCore.RowBlock, end - row);
            for (int depth = 0; depth < rows.Rows; depth += GemmCore.DepthBlock)
            {
                GramRows steps = rows.RowRange(depth, Math.Min(GemmCore.DepthBlock, rows.Rows - depth));
                MultiplyBlock(scratch, steps, row, count, alpha, depth == 0 ? beta : 1, c + (row * ldc), ldc);
            }
        }
    }

    private static void MultiplyBlock(
        float* scratch, GramRows steps, int row, int count, float alpha, float beta, float* c, long ldc)
    {
        float* own = scratch;
        float* passing = scratch + (GemmCore.RowBlock * GemmCore.DepthBlock);
        for (int offset = 0; offset < count; offset += TTile.Columns)
        {
            Pack(own + ((long)offset * steps.Rows), steps, row + offset, Math.Min(TTile.Columns, count - offset));
        }

        for (int column = 0; column < row; column += TTile.Columns)
        {
            Pack(passing, steps, column, TTile.Columns);
            GemmBlock<TTile>.Multiply(count, TTile.Columns, steps.Rows, alpha, own, passing, beta, c + column, ldc);
        }

        for (int offset = 0; offset < count; offset += TTile.Columns)
        {
            float* panel = own + ((long)offset * steps.Rows);
            int columns = Math.Min(TTile.Columns, count - offset);
            float* corner = c + (offset * ldc) + row + offset;
            GemmBlock<TTile>.MultiplyDiagonal(columns, steps.Rows, alpha, panel, beta, corner, ldc);
            GemmBlock<TTile>.Multiply(
                count - offset - columns, columns, steps.Rows, alpha, panel + (columns * steps.Rows), panel, beta, corner + (columns * ldc), ldc);
        }
    }

    /// <summary>Packs columns of X; the one after X's last is ones.</summary>
    private static void Pack(float* panel, GramRows steps, int column, int columns)
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
