using KFac.Testing;

namespace KFac.Kernels.Tests;

/// <summary>Shapes and placements for row-wise and element-wise operations.</summary>
internal static class OpShapes
{
    /// <summary>Empty, small, vector edges, several tasks of short rows, several tasks of one long row; with and without gaps; rows
    /// at multiples of 16 bytes (offset 1) and elsewhere.</summary>
    public static IEnumerable<Shape> All { get; } = [.. List()];

    private static IEnumerable<Shape> List()
    {
        foreach (int columns in TestData.EdgeSizes)
        {
            yield return new Shape(3, columns, Gap: 0, Offset: 0);
            yield return new Shape(5, columns, Gap: 1 + (columns % 3), Offset: 1);
        }

        yield return new Shape(9, 36, 0, 1);
        yield return new Shape(5, 22, 2, 1);
        yield return new Shape(3, 1060, 0, 1);
        yield return new Shape(0, 7, 0, 0);
        yield return new Shape(1, 1, 0, 3);
        yield return new Shape(1, 40_003, 0, 1);
        yield return new Shape(4001, 11, 0, 0);
        yield return new Shape(4001, 11, 2, 1);
        yield return new Shape(211, 199, 0, 1);
        yield return new Shape(2, 17_001, 5, 0);
    }

    internal readonly record struct Shape(int Rows, int Columns, int Gap, int Offset)
    {
        public int Length => Rows * Columns;

        public GuardedMatrix<float> New(Device device, Arena arena, float[]? values = null, int extraGap = 0) =>
            New(device, arena, Rows, values, extraGap);

        /// <summary>As many columns, placed in the same way, other rows.</summary>
        public GuardedMatrix<float> New(Device device, Arena arena, int rows, float[]? values = null, int extraGap = 0)
        {
            var matrix = new GuardedMatrix<float>(device.DefaultStream, arena, rows, Columns, Gap == 0 ? 0 : Gap + extraGap, Offset);
            return values is null ? matrix : matrix.Write(values);
        }
    }
}
