using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Elementwise"/> on the CPU: bound by memory, so one pass each and no temporary.</summary>
internal sealed unsafe class CpuElementwise(CpuDevice device) : IElementwiseKernel
{
    public void Fill(float value, MatrixView<float> y) => ElementLoop.Run(device, new FillMap(value), y);

    public void Copy(MatrixView<float> x, MatrixView<float> y) => ElementLoop.Run(device, default(CopyMap), x, y);

    public void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        if (beta == 0)
        {
            ElementLoop.Run(device, new ScaleMap(alpha), x, y);
        }
        else
        {
            ElementLoop.Run(device, new AxpbyMap(alpha, beta), x, y);
        }
    }

    public void AddRow(VectorView<float> row, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementLoop.Run(device, default(AddMap), row.AsMatrix(1, row.Length), y);
        }
    }

    public void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u)
    {
        var context = new DivideContext(v.Pointer, v.RowStride, b.Pointer, a.Pointer, damping, u.Pointer, u.RowStride, u.Rows, u.Columns);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &DivideRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &DivideRows<Simd256, Vector256<float>>,
            _ => &DivideRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(RowTasks.Count(u.Rows, u.Columns), body, &context);
    }

    private static void DivideRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref DivideContext c = ref *(DivideContext*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = ElementLoop.GoesPast<TVector>(c.U, c.UStride, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            var map = new DivideMap(c.B[row], c.Damping);
            ElementSpan<DivideMap, TSimd, TVector>.Apply(
                past, map, c.V + ((long)row * c.VStride), c.A, c.U + ((long)row * c.UStride), null, c.Columns);
        }
    }

    private readonly struct DivideContext(
        float* v, long vStride, float* b, float* a, float damping, float* u, long uStride, int rows, int columns)
    {
        public readonly float* V = v;
        public readonly long VStride = vStride;
        public readonly float* B = b;
        public readonly float* A = a;
        public readonly float Damping = damping;
        public readonly float* U = u;
        public readonly long UStride = uStride;
        public readonly int Rows = rows;
        public readonly int Columns = columns;
    }

    private readonly struct FillMap(float value) : IElementMap
    {
        public static int Loads => 0;

        public static int Stores => 1;

        public void Apply<TSimd, TVector>(ref TVector y, ref TVector x1, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = TSimd.Create(value);
    }

    private readonly struct CopyMap : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = x;
    }

    private readonly struct ScaleMap(float alpha) : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = TSimd.Multiply(TSimd.Create(alpha), x);
    }

    private readonly struct AxpbyMap(float alpha, float beta) : IElementMap
    {
        public static int Loads => 3;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged =>
            y = TSimd.MultiplyAdd(TSimd.Create(alpha), x, TSimd.Multiply(TSimd.Create(beta), y));
    }

    private readonly struct AddMap : IElementMap
    {
        public static int Loads => 3;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector row, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = TSimd.Add(y, row);
    }

    private readonly struct DivideMap(float b, float damping) : IElementMap
    {
        public static int Loads => 3;

        public static int Stores => 4;

        public void Apply<TSimd, TVector>(ref TVector v, ref TVector a, ref TVector u, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged =>
            u = TSimd.Divide(v, TSimd.MultiplyAdd(TSimd.Create(b), a, TSimd.Create(damping)));
    }
}
