namespace KFac.Kernels.Cpu;

/// <summary>Operands of softmax cross-entropy, by row.</summary>
internal unsafe struct SoftmaxRows(MatrixView<float> input, VectorView<int> labels, MatrixView<float> output)
{
    /// <summary>The label of a row that doesn't count.</summary>
    public const int Masked = -1;

    public readonly int* Labels = labels.Pointer;
    public readonly int InputRows = input.Rows;
    public readonly int OutputRows = output.Rows;
    public readonly int Columns = output.Columns;
    public readonly long OutputStride = output.RowStride;
    public float* Losses;
    public int* Sampled;
    public float Scale;
    public float Smoothing;
    public int FirstColumn;
    public PhiloxKey Key;
    public ulong Offset;
    private readonly float* _input = input.Pointer;
    private readonly long _inputStride = input.RowStride;
    private readonly float* _output = output.Pointer;

    public readonly float* Input(int row) => _input + (row * _inputStride);

    public readonly float* Output(int row) => _output + (row * OutputStride);

    /// <summary><c>max − Σ q·z</c>, which is <c>Σ q·(max − z)</c>; 0 where the label is masked, NaN where it is no class.</summary>
    public readonly float Gap<TSimd, TVector>(int row, float maximum)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int label = Labels[row];
        if (label == Masked)
        {
            return 0;
        }

        if ((uint)label >= (uint)Columns)
        {
            return float.NaN;
        }

        float* z = Input(row);
        float gap = maximum - z[label];
        return Smoothing == 0
            ? gap
            : ((1 - Smoothing) * gap) + (Smoothing / Columns * SimdRow<TSimd, TVector>.SumBelow(z, maximum, Columns));
    }
}
