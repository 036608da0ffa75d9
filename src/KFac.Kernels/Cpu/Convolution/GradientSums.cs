using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Parts of a convolution's weight gradient, and how they become the gradient.</summary>
/// <remarks>A part is [C_out, columns of the patch grid]; parts are added in order, and the columns brought into the order of the weights.</remarks>
internal readonly unsafe struct GradientSums(CpuDevice device, in PatchGrid grid, in ConvolutionArguments arguments, int parts, float* sums)
{
    private readonly PatchGrid _grid = grid;
    private readonly ConvolutionArguments _arguments = arguments;

    private int Outputs => _arguments.Y.Columns;

    private long PartElements => (long)Outputs * _grid.Columns;

    private int Taps => _arguments.Shape.KernelHeight * _arguments.Shape.KernelWidth;

    public static long Bytes(in PatchGrid grid, int outputs, int parts) => (long)parts * outputs * grid.Columns * sizeof(float);

    /// <summary>Sums of a part from an output channel on.</summary>
    public float* Of(int part, int output) => sums + (part * PartElements) + ((long)output * _grid.Columns);

    /// <summary><c>∂W ← Σ parts + β·∂W</c>.</summary>
    public void Write()
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Write<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Write<Simd256, Vector256<float>>,
            _ => &Write<Simd128, Vector128<float>>,
        };
        GradientSums self = this;
        device.Workers.Run(Outputs, body, Unsafe.AsPointer(ref self));
    }

    private static void Write<TSimd, TVector>(void* context, int output)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref GradientSums s = ref Unsafe.AsRef<GradientSums>(context);
        float* row = s.Of(0, output);
        GramSum<TSimd, TVector>.Row(row, s.PartElements, s.Parts, s._grid.Columns, 1, 0, row);
        float beta = s._arguments.Beta;
        float* target = s._arguments.Weights.Pointer + (output * s._arguments.Weights.RowStride);
        var source = new StridedMatrix(row, 1, s._grid.Channels);
        if (beta == 0)
        {
            PanelTranspose<TSimd, TVector>.Run(target, s.Taps, s._grid.Channels, s.Taps, source);
        }
        else
        {
            using ScratchLease lease = s.Device.Scratch.Rent((long)s._grid.Pixels * sizeof(float));
            PanelTranspose<TSimd, TVector>.Run(lease.As<float>(), s.Taps, s._grid.Channels, s.Taps, source);
            GramSum<TSimd, TVector>.Row(lease.As<float>(), 0, 1, s._grid.Pixels, 1, beta, target);
        }

        if (s._grid.HasOnes)
        {
            float bias = row[s._grid.Pixels];
            target[s._grid.Pixels] = beta == 0 ? bias : bias + (beta * target[s._grid.Pixels]);
        }
    }

    private int Parts => parts;

    private CpuDevice Device => device;
}
