using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Gemm"/> on the GPU: gemm_kernel.cuh tiled by <see cref="ProductPlan"/>.</summary>
internal sealed unsafe class CudaGemm(CudaStream stream) : IGemmKernel
{
    private static readonly string[] s_layouts = ["nn", "nt", "tn", "tt"];
    private static readonly Dictionary<MatrixPrecision, (string Module, string[] Kernels)> s_kernels =
        Enum.GetValues<MatrixPrecision>().ToDictionary(static precision => precision, static precision => (Module(precision), Kernels(precision)));

    private static readonly string[] s_warpgroupKernels = [.. s_layouts.Select(static layout => $"gemm_warpgroup_split_{layout}")];
    private static readonly string[] s_warpgroupTf32Kernels = [.. s_layouts.Select(static layout => $"gemm_warpgroup_tf32_{layout}")];

    public void Run(in GemmArguments arguments)
    {
        if (arguments.K == 0 || arguments.Alpha == 0)
        {
            Finish(arguments, 0, 0, 0, arguments.Batch);
            return;
        }

        MatrixPrecision precision = ProductModule.Effective(stream.Device.Precision, arguments.K);
        ProductPlan plan = ProductPlan.ForProduct(stream.Properties, arguments.M, arguments.N, arguments.K, arguments.Batch);
        if (plan.Parts == 1)
        {
            long batchStride = (long)arguments.M * arguments.C.RowStride;
            var target = new GemmTarget((nint)arguments.C.Pointer, arguments.C.RowStride, batchStride, 0, arguments.Alpha, arguments.Beta);
            Multiply(arguments, precision, plan, target);
            return;
        }

        int stride = LaunchShape.Cover(arguments.N, 4) * 4;
        long size = (long)arguments.M * stride;
        using CudaScratch.Scope scope = stream.Scratch.Open();
        nint parts = scope.Take(size * plan.Parts * arguments.Batch * sizeof(float));
        Multiply(arguments, precision, plan, new GemmTarget(parts, stride, size * plan.Parts, size, 1, 0));
        Finish(arguments, parts, stride, plan.Parts, arguments.Batch);
    }

    private static string Module(MatrixPrecision precision) =>
        precision == MatrixPrecision.Float32 ? "gemm" : $"gemm_{ProductModule.Name(precision)}";

    private static string[] Kernels(MatrixPrecision precision) =>
        [.. s_layouts.Select(layout => $"gemm_{ProductModule.Name(precision)}_{layout}_small"),
         .. s_layouts.Select(layout => $"gemm_{ProductModule.Name(precision)}_{layout}_large")];

    private void Multiply(in GemmArguments arguments, MatrixPrecision precision, ProductPlan plan, GemmTarget target)
    {
        bool warpgroups = TakesWarpgroups(arguments, precision, plan);
        (string module, string[] kernels) = s_kernels[precision];
        int layout = (arguments.TransposeA == Transpose.Yes ? 2 : 0) + (arguments.TransposeB == Transpose.Yes ? 1 : 0);
        int columns = warpgroups ? ProductWarpgroups.Columns(precision) : plan.Tile;
        int tiles = checked(LaunchShape.Cover(arguments.M, plan.Tile) * LaunchShape.Cover(arguments.N, columns));
        for (int first = 0; first < arguments.Batch; first += LaunchShape.MaxGridYZ)
        {
            int batch = Math.Min(LaunchShape.MaxGridYZ, arguments.Batch - first);
            var product = new GemmKernelArguments(arguments, plan.PartDepth, target, first);
            if (warpgroups)
            {
                stream.Queue.Launch(
                    "gemm_warpgroup",
                    (precision == MatrixPrecision.Tf32 ? s_warpgroupTf32Kernels : s_warpgroupKernels)[layout],
                    ProductWarpgroups.Shape(precision, columns, tiles, plan.Parts, batch),
                    new GemmWarpgroupArguments(stream.Device.Runtime, arguments, product, batch));
            }
            else
            {
                string kernel = kernels[layout + (plan.Large ? s_layouts.Length : 0)];
                stream.Queue.Launch(module, kernel, ProductModule.Shape(precision, plan.Large, tiles, plan.Parts, batch), product);
            }
        }
    }

    private bool TakesWarpgroups(in GemmArguments arguments, MatrixPrecision precision, ProductPlan plan) =>
        ProductWarpgroups.Take(stream.Device, precision, plan, arguments.K)
        && arguments.N > ProductWarpgroups.Columns(precision) / 2
        && ProductWarpgroups.Fill(stream.Properties, precision, plan, arguments.M, arguments.N, arguments.Batch)
        && Fits(arguments.A, arguments.Batch)
        && Fits(arguments.B, arguments.Batch);

    private static bool Fits(MatrixView<float> factor, int batch) =>
        TensorMapShape.Fits((nint)factor.Pointer, factor.RowStride, batch, factor.Rows / batch * (long)factor.RowStride);

    private void Finish(in GemmArguments arguments, nint parts, int stride, int count, int batch)
    {
        for (int first = 0; first < batch; first += LaunchShape.MaxGridYZ)
        {
            var shape = new LaunchShape(
                LaunchShape.Cover(arguments.N, 256), Math.Min(arguments.M, LaunchShape.MaxGridYZ), Math.Min(LaunchShape.MaxGridYZ, batch - first), 256);
            stream.Queue.Launch("gemm", "gemm_finish", shape, new GemmFinishArguments(arguments, parts, stride, count, first));
        }
    }
}

/// <summary>Where products go: C itself, or the parts of it.</summary>
internal readonly record struct GemmTarget(nint Address, long Stride, long Batch, long Part, float Alpha, float Beta);

/// <summary>Mirrors <c>GemmArguments</c> of gemm_kernel.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GemmKernelArguments
{
    public readonly nint A;
    public readonly nint B;
    public readonly nint C;
    public readonly long AStride;
    public readonly long BStride;
    public readonly long CStride;
    public readonly long ABatch;
    public readonly long BBatch;
    public readonly long CBatch;
    public readonly long CPart;
    public readonly int M;
    public readonly int N;
    public readonly int K;
    public readonly int PartDepth;
    public readonly float Alpha;
    public readonly float Beta;
    public readonly int Aligned;

    /// <param name="first">The first matrix of the batch that is computed.</param>
    public GemmKernelArguments(in GemmArguments arguments, int partDepth, GemmTarget target, int first)
    {
        (M, N, K, PartDepth) = (arguments.M, arguments.N, arguments.K, partDepth);
        (AStride, BStride, CStride) = (arguments.A.RowStride, arguments.B.RowStride, target.Stride);
        ABatch = arguments.A.Rows / arguments.Batch * AStride;
        BBatch = arguments.B.Rows / arguments.Batch * BStride;
        (CBatch, CPart) = (target.Batch, target.Part);
        A = (nint)(arguments.A.Pointer + (first * ABatch));
        B = (nint)(arguments.B.Pointer + (first * BBatch));
        C = target.Address + (nint)(first * CBatch * sizeof(float));
        (Alpha, Beta) = (target.Alpha, target.Beta);
        Aligned = (ProductModule.IsAligned(A, AStride) ? 1 : 0)
            | (ProductModule.IsAligned(B, BStride) ? 2 : 0)
            | (ProductModule.IsAligned(C, CStride) ? 4 : 0);
    }
}

/// <summary>Mirrors <c>GemmFinishArguments</c> of gemm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GemmFinishArguments
{
    public readonly nint Parts;
    public readonly nint C;
    public readonly long PartStride;
    public readonly long PartSize;
    public readonly long PartBatch;
    public readonly long CStride;
    public readonly long CBatch;
    public readonly int M;
    public readonly int N;
    public readonly int PartsCount;
    public readonly float Alpha;
    public readonly float Beta;

    public GemmFinishArguments(in GemmArguments arguments, nint parts, int stride, int count, int first)
    {
        (M, N, PartsCount) = (arguments.M, arguments.N, count);
        (PartStride, PartSize) = (stride, (long)M * stride);
        PartBatch = PartSize * count;
        CStride = arguments.C.RowStride;
        CBatch = M * CStride;
        Parts = parts + (nint)(first * PartBatch * sizeof(float));
        C = (nint)(arguments.C.Pointer + (first * CBatch));
        (Alpha, Beta) = (arguments.Alpha, arguments.Beta);
    }
}
