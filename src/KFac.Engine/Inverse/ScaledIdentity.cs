using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Writes multiples of the identity, which stand in for inverses and bases that could not be computed.</summary>
internal static class ScaledIdentity
{
    /// <summary><c>matrix ← scale·I</c>.</summary>
    /// <param name="matrix">[n, n], contiguous.</param>
    public static void Write(DeviceStream stream, float scale, MatrixView<float> matrix)
    {
        int n = matrix.Rows;
        Elementwise.Fill(stream, 0, matrix);
        // All but the last diagonal element are the first column of the same memory seen with rows of n + 1.
        MatrixView<float> shifted = matrix.AsVector().Slice(0, (n - 1) * (n + 1)).AsMatrix(n - 1, n + 1);
        Elementwise.Fill(stream, scale, shifted.Slice(0, 0, n - 1, 1));
        Elementwise.Fill(stream, scale, matrix.Slice(n - 1, n - 1, 1, 1));
    }
}
