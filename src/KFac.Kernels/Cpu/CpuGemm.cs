using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Gemm"/> on the CPU: the blocks of one product, or the products of a stack, are spread over the workers.</summary>
/// <remarks>A stack of at least as many products as there are threads is shared out product by product, so that small ones, as
/// of attention heads, do not wait for each other. The bits of a product are the same either way.</remarks>
internal sealed unsafe class CpuGemm(CpuDevice device) : IGemmKernel
{
    /// <summary>Tasks for every thread, so that a thread that starts late leaves its share to the others.</summary>
    private const int TasksPerThread = 4;

    public void Run(in GemmArguments arguments)
    {
        double operations = 2.0 * arguments.M * arguments.N * arguments.K * arguments.Batch;
        if (arguments.Batch > 1 && (arguments.Batch >= device.Workers.Threads || operations < GemmCore.SerialLimit))
        {
            int most = operations < GemmCore.SerialLimit ? 1 : device.Workers.Threads * TasksPerThread;
            var job = new StackJob(device, arguments, Math.Min(arguments.Batch, most));
            device.Workers.Run(job.Tasks, &StackJob.Run, Unsafe.AsPointer(ref job));
            return;
        }

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
                Result(arguments, matrix),
                arguments.C.RowStride);
        }
    }

    private static StridedMatrix Operand(MatrixView<float> view, Transpose transpose, int matrix, int batch)
    {
        var stored = new StridedMatrix(view.Pointer + ((long)matrix * (view.Rows / batch) * view.RowStride), view.RowStride, 1);
        return transpose == Transpose.No ? stored : stored.Transposed;
    }

    private static float* Result(in GemmArguments arguments, int matrix) =>
        arguments.C.Pointer + ((long)matrix * arguments.M * arguments.C.RowStride);

    private readonly struct StackJob(CpuDevice device, GemmArguments arguments, int tasks)
    {
        private readonly GemmArguments _arguments = arguments;

        public int Tasks => tasks;

        public static void Run(void* context, int task) => Unsafe.AsRef<StackJob>(context).RunPart(task);

        private void RunPart(int task)
        {
            using ScratchLease lease = device.Scratch.Rent(GemmCore.ScratchBytes);
            int end = (int)((long)_arguments.Batch * (task + 1) / tasks);
            for (int matrix = (int)((long)_arguments.Batch * task / tasks); matrix < end; matrix++)
            {
                GemmCore.Multiply(
                    device.Vectors,
                    lease.As<byte>(),
                    _arguments.M,
                    _arguments.N,
                    _arguments.K,
                    _arguments.Alpha,
                    Operand(_arguments.A, _arguments.TransposeA, matrix, _arguments.Batch),
                    Operand(_arguments.B, _arguments.TransposeB, matrix, _arguments.Batch),
                    _arguments.Beta,
                    Result(_arguments, matrix),
                    _arguments.C.RowStride);
            }
        }
    }
}
