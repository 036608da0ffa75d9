using KFac.Kernels.Cpu;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests.Cpu;

/// <summary>Products in 16-bit integers against float64.</summary>
public sealed class FixedPointTests
{
    private const int Guard = 5;

    [SkippableTheory(typeof(KernelMissingException))]
    [InlineData(Shape.Even)]
    [InlineData(Shape.Constant)]
    [InlineData(Shape.Spike)]
    [InlineData(Shape.OneBlock)]
    [InlineData(Shape.Zero)]
    public void GramMatricesAreWithinHalfAUnitOfEveryNumber(Shape shape)
    {
        using Device device = Open();
        foreach (int steps in new[] { 1, 2, 127, 128, 129, 301 })
        {
            foreach (int width in new[] { 1, 15, 17, 47, 48, 49, 101 })
            {
                float[] x = Columns(shape, steps, width);
                float[] actual = Cross(device, steps, width, null, x);
                AssertWithin(actual, steps, width, x, x, $"{shape}, {steps} x {width}");
            }
        }
    }

    [SkippableFact(typeof(KernelMissingException))]
    public void CrossProductsThatAreSymmetricAreWithinHalfAUnitOfEveryNumber()
    {
        using Device device = Open();
        foreach ((int steps, int width) in new[] { (3, 5), (130, 48), (200, 97) })
        {
            // Y = X·diag(s): XᵀY is symmetric when all s are equal.
            float[] x = Columns(Shape.Even, steps, width);
            float[] y = SymmetricMatrices.Scaled(x, 0.37f);
            AssertWithin(Cross(device, steps, width, x, y), steps, width, x, y, $"{steps} x {width}");
        }
    }

    /// <summary>A block is left out where the norms' product is at most <c>e·√(128 / blocks) / panels</c>: by Cauchy and Schwarz all of them
    /// cannot be more than <c>e·√(128·blocks)</c>.</summary>
    [SkippableFact(typeof(KernelMissingException))]
    public void BlocksAreLeftOutWithinTheErrorThatIsAllowed()
    {
        const int Steps = 500, Width = 150, Blocks = 4;
        using Device device = Open();
        float[] x = Columns(Shape.Even, Steps, Width);
        for (int at = 0; at < x.Length; at++)
        {
            x[at] *= at / Width / 128 == at % Width / 48 ? 1 : 1e-3f;
        }

        float[] all = Cross(device, Steps, Width, null, x);
        foreach (double error in new[] { 1e-4, 1e-3, 1e-2, 0.1, 1e6 })
        {
            float[] some = Cross(device, Steps, Width, null, x, error);
            double difference = Math.Sqrt(all.Zip(some, (left, right) => Math.Pow(left - right, 2)).Sum());
            Assert.True(difference <= Math.Sqrt(FixedScale.BlockSteps * Blocks) * error, $"{difference} with {error} allowed.");
            Assert.True(error < 1e-2 || difference > 0, $"Nothing was left out with {error} allowed.");
            Assert.True(error < 1 || Array.TrueForAll(some, value => value == 0), "Something was left that should have been left out.");
        }
    }

    [Fact]
    public void ScalesFollowTheLargestBlockAndElement()
    {
        Assert.Equal(0, FixedScale.Scale(0, 0));
        Assert.Equal(0, FixedScale.Unit(FixedScale.Scale(0, 0)));
        Assert.Equal(32767 / 2f, FixedScale.Scale(4, 2));
        Assert.Equal(46300 / 100f, FixedScale.Scale(10000, 2));
        Assert.True(float.IsFinite(FixedScale.Scale(1e-45f, 1e-30f)));
    }

    private static Device Open()
    {
        Device device = Device.Open("cpu");
        if (((CpuDevice)device).Vectors != VectorWidth.Avx512)
        {
            device.Dispose();
            throw new KernelMissingException("fixed-point products", device.Description);
        }

        return device;
    }

    private static float[] Columns(Shape shape, int steps, int width)
    {
        float[] x = TestData.Uniform(steps * width, 3);
        for (int at = 0; at < x.Length; at++)
        {
            int step = at / width;
            x[at] = shape switch
            {
                Shape.Constant => (at % width) + 1,
                Shape.Spike => step == steps / 2 ? 7 : 1e-3f * x[at],
                Shape.OneBlock => step < FixedScale.BlockSteps ? 1 : 0,
                Shape.Zero => 0,
                _ => x[at],
            };
        }

        return x;
    }

    /// <param name="x">Null for Y itself.</param>
    /// <param name="error">Allowed where X is Y.</param>
    private static unsafe float[] Cross(Device device, int steps, int width, float[]? x, float[] y, double error = 0)
    {
        var threads = new ItemThreads((CpuDevice)device, isParallel: true);
        int stride = width + Guard;
        var c = new float[width * stride];
        Array.Fill(c, float.NaN);
        fixed (float* left = x, right = y, result = c)
        {
            using ScratchLease lease = threads.Device.Scratch.Rent(FixedPanels.Bytes(steps, width));
            var panels = new FixedPanels(steps, width, lease.As<byte>());
            panels.Convert(threads, right, width);
            if (x is null)
            {
                FixedCross.Gram(threads, panels, error, result, stride);
            }
            else
            {
                FixedCross.Multiply(threads, new StridedMatrix(left, width, 1), panels, result, stride);
            }
        }

        Assert.All(Enumerable.Range(0, c.Length).Where(at => at % stride >= width), at => Assert.True(float.IsNaN(c[at])));
        return [.. c.Where((_, at) => at % stride < width)];
    }

    private static void AssertWithin(float[] actual, int steps, int width, float[] x, float[] y, string what)
    {
        double[] unitX = Units(x, steps, width);
        double[] unitY = Units(y, steps, width);
        var expected = new double[width * width];
        var bound = new double[width * width];
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j < width; j++)
            {
                double sum = 0, magnitude = 0, rounding = 0;
                for (int p = 0; p < steps; p++)
                {
                    double a = x[(p * width) + i], b = y[(p * width) + j];
                    sum += a * b;
                    magnitude += Math.Abs(a * b);
                    rounding += 0.501 * ((unitX[i] * Math.Abs(b)) + (unitY[j] * Math.Abs(a)) + (unitX[i] * unitY[j]));
                }

                expected[(i * width) + j] = sum;
                bound[(i * width) + j] = rounding + (ErrorBound.Gamma(20) * magnitude) + 1e-30;
            }
        }

        ErrorBound.AssertWithin(actual, expected, bound, what);
    }

    private static double[] Units(float[] x, int steps, int width)
    {
        var units = new double[width];
        for (int j = 0; j < width; j++)
        {
            double largest = 0, square = 0;
            for (int block = 0; block < steps; block += FixedScale.BlockSteps)
            {
                double sum = 0;
                for (int p = block; p < Math.Min(steps, block + FixedScale.BlockSteps); p++)
                {
                    double value = x[(p * width) + j];
                    largest = Math.Max(largest, Math.Abs(value));
                    sum += value * value;
                }

                square = Math.Max(square, sum);
            }

            units[j] = Math.Max(largest / 32767, Math.Sqrt(square) / 46300);
        }

        return units;
    }

    public enum Shape
    {
        /// <summary>Uniform numbers.</summary>
        Even,

        /// <summary>Columns of one number each: sums as large as their bound.</summary>
        Constant,

        /// <summary>One element far above the others.</summary>
        Spike,

        /// <summary>All weight in the first block.</summary>
        OneBlock,

        Zero,
    }
}
