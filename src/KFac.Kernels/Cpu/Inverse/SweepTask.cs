namespace KFac.Kernels.Cpu;

/// <summary>One matrix to factor or to invert, behind pointers.</summary>
/// <param name="matrix">[n, n]; the lower triangle is read.</param>
/// <param name="damping">λ.</param>
/// <param name="result">[n, n].</param>
/// <param name="status">Receives the status.</param>
internal readonly unsafe struct SweepTask(MatrixView<float> matrix, float damping, MatrixView<float> result, int* status) : ISizedTask
{
    public int Size { get; } = matrix.Rows;
    public readonly float Damping = damping;
    public readonly float* Matrix = matrix.Pointer;
    public readonly long MatrixStride = matrix.RowStride;
    public readonly float* Result = result.Pointer;
    public readonly long ResultStride = result.RowStride;
    public readonly int* Status = status;

    /// <summary>0, or 1 + the index of the first diagonal element of the result that is not finite.</summary>
    public int FirstNotFinite()
    {
        for (int i = 0; i < Size; i++)
        {
            if (!float.IsFinite(Result[(i * ResultStride) + i]))
            {
                return i + 1;
            }
        }

        return 0;
    }
}
