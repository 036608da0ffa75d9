namespace KFac.Kernels.Cpu;

/// <summary>Memory of a divide and conquer run of <see cref="TridiagonalSolver"/>. A merge of rows [low, high) touches only those parts of each array and
/// only those rows and columns of each matrix, so merges of one level do not meet.</summary>
internal readonly unsafe struct TridiagonalWorkspace
{
    private const int DoubleArrays = 8;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public TridiagonalWorkspace(int size, long stride, void* memory)
    {
        Size = size;
        Stride = stride;
        Diagonal = (double*)memory;
        OffDiagonal = Diagonal + size;
        Weights = OffDiagonal + size;
        Poles = Weights + size;
        DroppedPoles = Poles + size;
        GroupedPoles = DroppedPoles + size;
        GroupedWeights = GroupedPoles + size;
        SecularWeights = GroupedWeights + size;
        Order = (int*)(SecularWeights + size);
        Rows = Order + size;
        DroppedRows = Rows + size;
        Kinds = (byte*)(DroppedRows + size);
        Vectors = (float*)((byte*)memory + ArrayBytes(size));
        Spare = Vectors + (size * stride);
        Secular = Spare + (size * stride);
    }

    public int Size { get; }

    public long Stride { get; }

    public double* Diagonal { get; }

    public double* OffDiagonal { get; }

    public double* Weights { get; }

    public double* Poles { get; }

    public double* DroppedPoles { get; }

    public double* GroupedPoles { get; }

    public double* GroupedWeights { get; }

    public double* SecularWeights { get; }

    public int* Order { get; }

    public int* Rows { get; }

    public int* DroppedRows { get; }

    public byte* Kinds { get; }

    /// <summary>Eigenvectors as rows; zero outside the blocks of the current level.</summary>
    public float* Vectors { get; }

    public float* Spare { get; }

    public float* Secular { get; }

    public static long ScratchBytes(int size, long stride) => ArrayBytes(size) + (3 * size * stride * sizeof(float));

    private static long ArrayBytes(int size) =>
        ((((long)size * ((DoubleArrays * sizeof(double)) + (3 * sizeof(int)) + 1)) + 63) / 64) * 64;
}
