using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class LossTests
{
    private const int Width = LossCase.Width;

    /// <summary>Roundings in one term, transcendental functions counted with their 4 ulp.</summary>
    private static readonly double _bound = ErrorBound.Gamma(64);

    public static TheoryData<string> Names => new(LossCase.Names);

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_term_has_the_loss_of_the_equation(string name)
    {
        using var test = new LossCase(name, rows: 13);
        double[] expected = test.ReferenceLosses();
        float[] actual = test.Read(test.Evaluation.Losses.AsMatrix(1, test.Rows));
        ErrorBound.AssertWithinAndSharp(actual, expected, Tolerance(expected), name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradient_is_the_finite_difference(string name)
    {
        using var test = new LossCase(name, rows: 13);
        MatrixView<float> gradient = test.Arena.Matrix<float>(test.Rows, Width);
        test.Loss.Gradient(test.Stream, test.Evaluation, 0.5f, gradient);
        double[] expected = Array.ConvertAll(test.ReferenceGradient(), g => g / 2);
        ErrorBound.AssertWithinAndSharp(test.Read(gradient), expected, Tolerance(expected), name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Root_times_its_transpose_is_the_Hessian(string name)
    {
        using var test = new LossCase(name, rows: 13);
        MatrixView<float> columns = test.Arena.Matrix<float>(Width * test.Rows, Width);
        test.Loss.HessianRoot(test.Stream, test.Evaluation, 0, columns);
        float[] root = test.Read(columns);
        for (int row = 0; row < test.Rows; row++)
        {
            double[] expected = test.ReferenceHessian(row);
            var actual = new float[Width * Width];
            for (int i = 0; i < actual.Length; i++)
            {
                double sum = 0;
                for (int s = 0; s < Width; s++)
                {
                    int start = ((s * test.Rows) + row) * Width;
                    sum += (double)root[start + (i / Width)] * root[start + (i % Width)];
                }

                actual[i] = (float)sum;
            }

            ErrorBound.AssertWithin(actual, expected, Tolerance(expected), $"{name}, row {row}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Columns_of_the_root_can_be_taken_one_by_one(string name)
    {
        using var test = new LossCase(name, rows: 5);
        MatrixView<float> all = test.Arena.Matrix<float>(Width * test.Rows, Width);
        test.Loss.HessianRoot(test.Stream, test.Evaluation, 0, all);
        MatrixView<float> one = test.Arena.Matrix<float>(test.Rows, Width);
        for (int s = 0; s < Width; s++)
        {
            test.Loss.HessianRoot(test.Stream, test.Evaluation, s, one);
            Assert.Equal(test.Read(all.RowRange(s * test.Rows, test.Rows)), test.Read(one));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Columns_that_the_root_lacks_are_refused(string name)
    {
        using var test = new LossCase(name, rows: 5);
        MatrixView<float> columns = test.Arena.Matrix<float>(2 * test.Rows, Width);
        Assert.ThrowsAny<ArgumentException>(() => test.Loss.HessianRoot(test.Stream, test.Evaluation, Width - 1, columns));
        Assert.ThrowsAny<ArgumentException>(() => test.Loss.HessianRoot(test.Stream, test.Evaluation, -1, columns));
        Assert.ThrowsAny<ArgumentException>(() => test.Loss.HessianRoot(test.Stream, test.Evaluation, 0, columns.RowRange(0, 7)));
    }

    /// <summary>E[g] = 0 and E[g gᵀ] = Hessian, each mean within 6 of its standard errors (a chance of 2e-9 to miss).</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Sampled_gradients_have_the_Hessian_as_second_moment(string name)
    {
        const int Samples = 20_000;
        using var test = new LossCase(name, Samples, repeatRow: true);
        MatrixView<float> gradient = test.Arena.Matrix<float>(Samples, Width);
        test.Loss.SampledGradient(test.Stream, test.Arena, test.Evaluation, new PhiloxKey(5, 6), 0, gradient);
        float[] rows = test.Read(gradient);
        double[] hessian = test.ReferenceHessian(0);
        for (int i = 0; i < Width; i++)
        {
            AssertMean(Enumerable.Range(0, Samples).Select(n => (double)rows[(n * Width) + i]), 0);
            for (int j = 0; j < Width; j++)
            {
                var products = Enumerable.Range(0, Samples).Select(n => (double)rows[(n * Width) + i] * rows[(n * Width) + j]);
                AssertMean(products, hessian[(i * Width) + j]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Samples_depend_on_key_and_index_alone(string name)
    {
        using var test = new LossCase(name, rows: 41);
        float[] first = Sample(test, new PhiloxKey(5, 6), 0);
        Assert.Equal(first, Sample(test, new PhiloxKey(5, 6), 0));
        Assert.NotEqual(first, Sample(test, new PhiloxKey(5, 6), 1));
        Assert.NotEqual(first, Sample(test, new PhiloxKey(5, 7), 0));
    }

    [Theory]
    [InlineData("cross-entropy")]
    [InlineData("smoothed cross-entropy")]
    [InlineData("bernoulli")]
    public void Masked_targets_have_no_sampled_gradient(string name)
    {
        using var test = new LossCase(name, rows: 13);
        MatrixView<float> trained = test.Arena.Matrix<float>(test.Rows, Width);
        test.Loss.Gradient(test.Stream, test.Evaluation, 1f, trained);
        float[] expected = test.Read(trained);
        float[] sampled = Sample(test, new PhiloxKey(5, 6), 0);
        Assert.Contains(0f, expected);
        Assert.All(Enumerable.Range(0, expected.Length).Where(i => expected[i] == 0), i => Assert.Equal(0f, sampled[i]));
    }

    private static float[] Sample(LossCase test, PhiloxKey key, int sample)
    {
        MatrixView<float> gradient = test.Arena.Matrix<float>(test.Rows, Width);
        test.Loss.SampledGradient(test.Stream, test.Arena, test.Evaluation, key, sample, gradient);
        return test.Read(gradient);
    }

    private static void AssertMean(IEnumerable<double> values, double expected)
    {
        double[] all = [.. values];
        double mean = all.Average();
        double deviation = Math.Sqrt(all.Average(v => (v - mean) * (v - mean)) / all.Length);
        Assert.InRange(mean, expected - (6 * deviation) - _bound, expected + (6 * deviation) + _bound);
    }

    private static double[] Tolerance(double[] expected)
    {
        double largest = Math.Max(1e-3, expected.Max(Math.Abs));
        return Array.ConvertAll(expected, _ => (_bound * largest) + (Reference.FiniteDifference.RelativeError * largest));
    }
}
