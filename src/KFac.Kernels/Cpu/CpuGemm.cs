namespace KFac.Kernels.Cpu;

/// <summary><see cref="Gemm"/> on the CPU: a product at a time, its blocks spread over the workers.</summary>
internal sealed unsafe class CpuGemm(CpuDevice device) : IGemmKernel
{
    public void Run(in GemmArguments arguments)
    {
        for (int matrix = 0; matrix < arguments.Batch; matrix++)
        {
            GemmCore.MultiplyParallel(
                device,
                arguments.M,
                arguments.N,
                arguments.K,
                arguments.Alpha,
                Operand(arguments.A, arguments.TransposeA, matrix, arguments.Batch),
                Operand(arguments.B, arguments.TransposeB, matrix, arguments.Batch),
                arguments.Beta,
                arguments.C.Pointer + ((long)matrix * arguments.M * arguments.C.RowStride),
                arguments.C.RowStride);
        }
    }

    private static StridedMatrix Operand(MatrixView<float> view, Transpose transpose, int matrix, int batch)
    {
        var stored = new StridedMatrix(view.Pointer + ((long)matrix * (view.Rows / batch) * view.RowStride), view.RowStride, 1);
        return transpose == Transpose.No ? stored : stored.Transposed;
    }
}
