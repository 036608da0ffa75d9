using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cuda;

/// <summary><c>CUtensorMap</c>: how bulk copies of bulk_copy.cuh find boxes of matrices in device memory. Opaque; a kernel takes
/// it in its arguments, where it lies at a multiple of 64 bytes.</summary>
[InlineArray(Words)]
internal struct TensorMap
{
    /// <summary>Its length in 8-byte words.</summary>
    public const int Words = 16;

    private ulong _word;
}

/// <summary>Float32 matrices of one size in device memory, and the boxes that are copied out of them; see
/// <see cref="GpuRuntime.EncodeTensorMap"/>.</summary>
/// <param name="Address">Of the first element; a multiple of 16.</param>
/// <param name="Columns">Of a matrix, at least 1.</param>
/// <param name="Rows">Of a matrix, at least 1.</param>
/// <param name="RowStride">Elements from one row to the next, a multiple of 4.</param>
/// <param name="Matrices">At least 1.</param>
/// <param name="MatrixStride">Elements from one matrix to the next, a multiple of 4; without meaning for a single one.</param>
/// <param name="BoxRows">Rows of a box, 1 to 256.</param>
internal readonly record struct TensorMapShape(
    nint Address, int Columns, int Rows, long RowStride, int Matrices, long MatrixStride, int BoxRows)
{
    /// <summary>Columns of a box: 128 bytes.</summary>
    public const int BoxColumns = 32;

    /// <summary>Bytes from one row to the next.</summary>
    public long RowBytes => RowStride * sizeof(float);

    /// <summary>Bytes from one matrix to the next.</summary>
    public long MatrixBytes => (Matrices == 1 ? Rows * RowStride : MatrixStride) * sizeof(float);

    /// <summary>Whether bulk copies can address matrices like these.</summary>
    public static bool Fits(nint address, long rowStride, int matrices, long matrixStride) =>
        ProductModule.IsAligned(address, rowStride) && IsDistance(rowStride) && (matrices == 1 || (matrixStride % 4 == 0 && IsDistance(matrixStride)));

    private static bool IsDistance(long stride) => stride is > 0 and < 1L << 38;
}
