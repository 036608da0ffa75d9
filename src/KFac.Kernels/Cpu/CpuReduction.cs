namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction"/> on the CPU, a file for each kind.</summary>
internal sealed unsafe class CpuReduction(CpuDevice device) : IReductionKernel
{
    private const int SmallGrain = 32 * 1024;

    // Elements of a tile of a large matrix, and how many tiles make it large: every tile is a stretch of memory that the processor
    // has to find and fetch ahead anew.
    private const int LargeGrain = 256 * 1024;
    private const int TilesOfLarge = 16;

    /// <summary>Elements a tile, of all that a matrix has.</summary>
    public static int Grain(long elements) => (int)Math.Clamp(elements / TilesOfLarge, SmallGrain, LargeGrain);

    public void Sum(MatrixView<float> x, VectorView<double> result) => CpuMatrixSum.Sum(device, x, result);

    public void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result) => CpuMatrixSum.Dot(device, x, y, result);

    public void Trace(MatrixView<float> x, VectorView<double> result)
    {
        double sum = 0;
        for (long i = 0; i < x.Rows; i++)
        {
            sum += x.Pointer[i * (x.RowStride + 1L)];
        }

        *result.Pointer = sum;
    }

    public void MaxAsymmetry(MatrixView<float> x, VectorView<double> result) => CpuMaxAsymmetry.Run(device, x, result);

    public void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row) =>
        CpuColumnSum.Run(device, x, alpha, beta, row);

    public void RowDot(MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result) =>
        CpuRowDot.Run(device, x, y, alpha, result);

    public void FirstNonFinite(MatrixView<float> x, VectorView<long> result) => CpuFirstNonFinite.Run(device, x, result);

    public void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result) =>
        CpuCountCorrect.Run(device, scores, labels, result);
}
